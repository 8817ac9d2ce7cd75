import type { Logger } from 'pino';
import { formatDuration } from '../domain/duration.ts';
import { isTerminalJob } from '../domain/job-status.ts';
import type { JobDraft, JobState, StepState } from '../domain/moves/draft.ts';
import { isTerminalStep } from '../domain/step-status.ts';

/** A job of more steps than this shows each tenth of its way at info, and its steps at debug: nobody reads thousands. */
const READABLE_STEPS = 50;
/** So many lines of steps a second somebody may still follow; of the others it is told how many there were. */
const READABLE_LINES = 200;

/**
 * Writes a line for each committed move that somebody may want to follow: jobs and the steps of jobs of a readable size
 * at info, what failed at warn, the rest at debug. The text has what a person needs, the fields what a program does.
 */
export function transitionLog(log: Logger): (drafts: readonly JobDraft[]) => void {
  const isReadable = readableLines(log);
  return (drafts) => {
    if (!log.isLevelEnabled('warn')) return;
    for (const draft of drafts) {
      // As one would tell it: a job starts before its steps do, and is over after them.
      const isOver = isTerminalJob(draft.job.status);
      if (!isOver) logJob(log, draft);
      logSteps(log, draft, isReadable);
      if (isOver) logJob(log, draft);
    }
  };
}

/** Whether one more line of a step is to be written at info in this second. At debug all of them are. */
function readableLines(log: Logger): () => boolean {
  let written = 0;
  let left = 0;
  const tell = () => {
    if (left > 0)
      log.info(
        { moves: left },
        `steps moved ${count(left)} times more than anybody can read; debug shows all`,
      );
    written = 0;
    left = 0;
  };
  return () => {
    if (log.isLevelEnabled('debug')) return true;
    if (written === 0) setTimeout(tell, 1_000).unref();
    if (written >= READABLE_LINES) left += 1;
    else written += 1;
    return left === 0;
  };
}

function logJob(log: Logger, { job, jobBefore, now }: JobDraft): void {
  const fields = { job_id: job.id, status: job.status, version: job.version };
  if (job.status === jobBefore.status && jobBefore.version > 0) {
    const tenths = tenthsOver(job);
    if (job.steps_total <= READABLE_STEPS || tenths === tenthsOver(jobBefore)) return;
    log.info(fields, `job ${job.name}: ${count(stepsOver(job))} of ${count(job.steps_total)} steps are over`);
    return;
  }
  log[job.status === 'failed' ? 'warn' : 'info'](fields, `job ${job.name} ${describeJob(job, now)}`);
}

function describeJob(job: JobState, now: number): string {
  if (!isTerminalJob(job.status)) {
    return job.status === 'queued' ? `is queued with ${steps(job.steps_total)}` : `is ${job.status}`;
  }
  const took = job.started_at === null ? '' : ` in ${duration((job.finished_at ?? now) - job.started_at)}`;
  const why = job.error ? `: ${job.error.message}` : '';
  return `${job.status === 'cancelled' ? 'was cancelled' : job.status}${took}${why}`;
}

function logSteps(log: Logger, draft: JobDraft, isReadable: () => boolean): void {
  const readable = log.isLevelEnabled('info') && draft.job.steps_total <= READABLE_STEPS;
  const debug = log.isLevelEnabled('debug');
  for (const [ordinal, before] of draft.before) {
    const step = draft.steps.get(ordinal);
    if (!step || step.status === before.status) continue;
    const level = levelOf(step, readable);
    if (level === 'debug' && !debug) continue;
    if (level === 'info' && !isReadable()) continue;
    const fields = { job_id: draft.job.id, step: step.name, attempt: step.attempt, status: step.status };
    log[level](fields, `step ${draft.job.name}/${step.name} ${describeStep(step, draft.now)}`);
  }
}

function levelOf(step: StepState, readable: boolean): 'debug' | 'info' | 'warn' {
  if (step.status === 'failed' || isRetried(step)) return 'warn';
  return readable && step.status !== 'pending' && step.status !== 'ready' ? 'info' : 'debug';
}

function isRetried(step: StepState): boolean {
  return step.status === 'waiting' && step.reason === 'retry_delay';
}

function describeStep(step: StepState, now: number): string {
  const why = step.error ? `: ${step.error.message}` : '';
  const rest = step.wake_at === null ? '' : ` for ${duration(step.wake_at - now)}`;
  if (isRetried(step)) return `waits${rest} after attempt ${step.attempt}${why}`;
  if (step.status === 'waiting') return `waits${rest}`;
  if (step.status === 'cancelled') return 'was cancelled';
  if (step.status === 'skipped') return `was skipped (${step.reason})`;
  if (!isTerminalStep(step.status)) {
    return `is ${step.status}${step.status === 'running' && step.attempt > 1 ? `, attempt ${step.attempt}` : ''}`;
  }
  const took = step.started_at === null ? '' : ` in ${duration((step.finished_at ?? now) - step.started_at)}`;
  return `${step.status}${took}${why}`;
}

function stepsOver(job: JobState): number {
  return job.steps_succeeded + job.steps_failed + job.steps_skipped + job.steps_cancelled;
}

function tenthsOver(job: JobState): number {
  return Math.floor((10 * stepsOver(job)) / job.steps_total);
}

function steps(number: number): string {
  return `${count(number)} ${number === 1 ? 'step' : 'steps'}`;
}

function count(number: number): string {
  return number.toLocaleString('en');
}

/** `40 ms`, `1.2 s`, `3m5s`: as exact as a reader needs. */
function duration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  return formatDuration(Math.round(ms / 1_000) * 1_000);
}
