import { isTerminal, type Job, type Step } from '../../client/src/index.ts';
import type { Display } from './display.ts';
import { showError, showValue } from './job-text.ts';
import type { Output } from './output.ts';
import { count, plain, showDuration, showProgress } from './wording.ts';

/** A page of steps: of a longer job only tenths of its way are told. */
const MOST_STEPS = 500;

/** A line for each change, for logs and pipes: of the job, and of its steps unless they are very many. */
export function createChangeLines(output: Output): Display {
  let jobSeen = '';
  let stepsSeen: Map<string, string> | null = null;
  const say = (text: string) => output.print(`${new Date().toTimeString().slice(0, 8)}  ${text}`);
  return {
    includeSteps: true,
    show: async (job) => {
      const tellsSteps = job.steps.total <= MOST_STEPS;
      const steps = tellsSteps ? (job.steps.data ?? []) : [];
      const before = stepsSeen;
      // What was over before anybody looked is in the counts; from there on each change is told.
      const changed = steps.filter((step) =>
        before === null ? isWorthTelling(step) : before.get(step.name) !== mark(step),
      );
      stepsSeen = new Map(steps.map((step) => [step.name, mark(step)]));
      const now = `${job.status} ${tellsSteps ? '' : `${Math.floor(job.progress * 10)} ${job.steps.failed}`}`;
      const lines = changed.map(stepLine);
      // A job starts before its steps and ends after them.
      if (now !== jobSeen && isTerminal(job.status)) lines.push(jobLine(job));
      else if (now !== jobSeen) lines.unshift(jobLine(job));
      jobSeen = now;
      lines.forEach(say);
    },
    silence: (silent) => {
      output.note(silent ? 'the server does not answer; trying again' : 'the server answers again');
    },
    end: async (job) => {
      if (job !== null && job.output !== null) output.print(`output: ${showValue(job.output)}`);
    },
  };
}

function isWorthTelling({ status, blocked_by }: Step): boolean {
  if (status === 'ready') return blocked_by.some(({ code }) => code === 'no_worker');
  return status === 'running' || status === 'failed' || status === 'waiting';
}

/** What a change of a step is: progress is not. */
function mark({ status, attempt, blocked_by }: Step): string {
  return `${status} ${attempt} ${status === 'ready' ? (blocked_by[0]?.code ?? '') : ''}`;
}

function stepLine(step: Step): string {
  const attempt = step.attempt > 1 ? ` (attempt ${step.attempt})` : '';
  return `step ${step.name}  ${step.status}${attempt}${note(step)}`;
}

function note({ error, blocked_by, status, reason }: Step): string {
  if (error !== null && status !== 'running') return `  ${showError(error)}`;
  const [held] = status === 'ready' || status === 'waiting' ? blocked_by : [];
  if (held !== undefined) return `  ${plain(held.message)}`;
  return status === 'skipped' && reason !== null ? `  ${plain(reason)}` : '';
}

function jobLine(job: Job): string {
  const { status, error, steps, elapsed_ms, finished_at } = job;
  const failed = steps.failed === 0 ? '' : `, ${steps.failed} failed`;
  const took = finished_at === null || elapsed_ms === null ? '' : `  took ${showDuration(elapsed_ms)}`;
  const why =
    error === null ? (job.reason === null ? '' : `  ${plain(job.reason)}`) : `  ${showError(error)}`;
  const over = steps.succeeded + steps.failed + steps.skipped + steps.cancelled;
  const of = `${over} of ${count(steps.total, 'step')} over${failed}`;
  return `job ${plain(job.name)}  ${status}  ${showProgress(job.progress)}  ${of}${took}${why}`;
}
