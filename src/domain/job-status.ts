/** The statuses of a job, in the order in which a job usually meets them. */
export const JOB_STATUSES = [
  'scheduled',
  'queued',
  'running',
  'paused',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

/** Every move a job may make, and what causes it. */
export const JOB_MOVES: Record<JobStatus, Partial<Record<JobStatus, string>>> = {
  scheduled: {
    queued: 'its `run_at` has come',
    paused: 'paused by hand',
    succeeded: 'no step was left to run',
    failed: 'a condition or the output could not be evaluated, or it timed out',
    cancelled: 'cancelled by hand',
  },
  queued: {
    running: 'its first step was claimed',
    paused: 'paused by hand',
    succeeded: 'no step was left to run',
    failed: 'a condition or the output could not be evaluated, or it timed out',
    cancelled: 'cancelled by hand',
  },
  running: {
    paused: 'paused by hand',
    succeeded: 'every step ended, none failed for good',
    failed: 'a step failed for good, the output could not be evaluated, or it timed out',
    cancelled: 'cancelled by hand',
  },
  paused: {
    scheduled: 'resumed before its `run_at`',
    queued: 'resumed before its first step',
    running: 'resumed',
    succeeded: 'its last running step ended, none was left',
    failed: 'its last running step ended and one had failed, or it timed out',
    cancelled: 'cancelled by hand',
  },
  succeeded: {},
  failed: { scheduled: 'retried by hand before its `run_at`', queued: 'retried by hand' },
  cancelled: { scheduled: 'retried by hand before its `run_at`', queued: 'retried by hand' },
};

const TERMINAL: ReadonlySet<JobStatus> = new Set(['succeeded', 'failed', 'cancelled']);

/** Whether a job in this status is over; only a retry by hand opens it again. */
export function isTerminalJob(status: JobStatus): boolean {
  return TERMINAL.has(status);
}
