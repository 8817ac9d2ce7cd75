import type { Logger } from 'pino';
import type { JobDraft } from '../domain/moves/draft.ts';

/** Writes a line for each committed move: jobs at info, failures at warn, other steps at debug. */
export function transitionLog(log: Logger): (drafts: readonly JobDraft[]) => void {
  return (drafts) => {
    if (!log.isLevelEnabled('warn')) return;
    const debug = log.isLevelEnabled('debug');
    for (const draft of drafts) {
      logSteps(log, draft, debug);
      logJob(log, draft);
    }
  };
}

function logJob(log: Logger, { job, jobBefore }: JobDraft): void {
  if (job.status === jobBefore.status && jobBefore.version > 0) return;
  const level = job.status === 'failed' ? 'warn' : 'info';
  const why = job.error ? `: ${job.error.message}` : '';
  log[level](
    { job_id: job.id, status: job.status, version: job.version },
    `job ${job.id} is ${job.status}${why}`,
  );
}

function logSteps(log: Logger, draft: JobDraft, debug: boolean): void {
  for (const [ordinal, before] of draft.before) {
    const step = draft.steps.get(ordinal);
    if (!step || step.status === before.status) continue;
    const troubled = step.status === 'failed' || (step.status === 'waiting' && step.reason === 'retry_delay');
    if (!troubled && !debug) continue;
    const fields = { job_id: draft.job.id, step: step.name, attempt: step.attempt, status: step.status };
    const why = step.error ? `: ${step.error.message}` : '';
    log[troubled ? 'warn' : 'debug'](fields, `step ${step.name} is ${step.status}${why}`);
  }
}
