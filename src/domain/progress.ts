import type { StepStatus } from './step-status.ts';

type Counters = Record<`steps_${StepStatus}`, number> & {
  steps_total: number;
  progress: number;
  running_progress: number;
};

/**
 * How far a job is, 0 to 1: terminal steps plus what running ones report, over all. Never falls below what was
 * shown before (`progress`, the high-water mark).
 */
export function jobProgress(job: Counters): number {
  const done = job.steps_succeeded + job.steps_failed + job.steps_skipped + job.steps_cancelled;
  const reported = Math.min(job.running_progress, job.steps_running);
  return Math.min(1, Math.max(job.progress, (done + reported) / job.steps_total));
}

/** Milliseconds since the job started; frozen once it ended; null before it started. */
export function elapsedMs(startedAt: Date | null, finishedAt: Date | null, now: Date): number | null {
  if (startedAt === null) return null;
  return Math.max(0, (finishedAt ?? now).getTime() - startedAt.getTime());
}

/**
 * Milliseconds still to go if the job goes on as fast as until now. 0 once it succeeded; null when nothing is known:
 * before any progress, while paused, and after it failed or was cancelled.
 */
export function estimatedRemainingMs(
  status: string,
  elapsed: number | null,
  progress: number,
): number | null {
  if (status === 'succeeded') return 0;
  if (status !== 'running' || elapsed === null || progress <= 0) return null;
  return Math.max(0, Math.round(elapsed / progress - elapsed));
}
