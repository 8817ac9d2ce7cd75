/** The statuses of a step, in the order in which a step usually meets them. */
export const STEP_STATUSES = [
  'pending',
  'ready',
  'running',
  'waiting',
  'succeeded',
  'failed',
  'skipped',
  'cancelled',
] as const;
export type StepStatus = (typeof STEP_STATUSES)[number];

/**
 * Every move a step may make, and what causes it. The engine refuses any other move, the database's CHECK constraint
 * knows the same statuses, and the diagram in ARCHITECTURE.md is drawn from this table.
 */
export const STEP_MOVES: Record<StepStatus, Partial<Record<StepStatus, string>>> = {
  pending: {
    ready: 'nothing holds it back any more',
    skipped: 'a need did not succeed, or its `if` was false',
    failed: 'its `if` could not be evaluated',
    cancelled: 'the job was cancelled, failed fast or timed out',
  },
  ready: {
    running: 'a worker claimed it',
    pending: 'held back again: the job was paused',
    cancelled: 'the job was cancelled, failed fast or timed out',
  },
  running: {
    succeeded: 'its attempt succeeded',
    failed: 'its attempt failed for good',
    waiting: 'a retry delay or a timer',
    ready: 'released, lost or retried at once',
    pending: 'released, lost or retried while something holds it back',
    cancelled: 'the job was cancelled, failed fast or timed out',
  },
  waiting: {
    ready: 'its delay is over',
    pending: 'its delay is over while something holds it back',
    succeeded: 'its timer is due',
    cancelled: 'the job was cancelled, failed fast or timed out',
  },
  succeeded: { pending: 'opened again by a retry above it' },
  failed: { pending: 'retried by hand' },
  skipped: { pending: 'retried by hand' },
  cancelled: { pending: 'retried by hand' },
};

const TERMINAL: ReadonlySet<StepStatus> = new Set(['succeeded', 'failed', 'skipped', 'cancelled']);

/** Whether a step in this status has no way out but a retry by hand. */
export function isTerminalStep(status: StepStatus): boolean {
  return TERMINAL.has(status);
}
