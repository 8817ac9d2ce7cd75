import type { JobBody } from '../contract/job.ts';
import { elapsedMs, estimatedRemainingMs } from '../domain/progress.ts';
import type { ReadJob } from '../repositories/read-jobs.ts';

/** A job as the wire shows it. */
export function jobBody(job: ReadJob): JobBody {
  const elapsed = elapsedMs(job.started_at, job.finished_at, job.now);
  return {
    id: job.id,
    name: job.name,
    status: job.status,
    reason: job.reason,
    version: job.version,
    priority: job.priority,
    labels: job.labels,
    input: job.input,
    output: job.output,
    error: job.error,
    progress: job.status === 'succeeded' ? 1 : job.progress,
    steps: {
      total: job.steps_total,
      pending: job.steps_pending,
      ready: job.steps_ready,
      running: job.steps_running,
      waiting: job.steps_waiting,
      succeeded: job.steps_succeeded,
      failed: job.steps_failed,
      skipped: job.steps_skipped,
      cancelled: job.steps_cancelled,
    },
    created_at: job.created_at.toISOString(),
    run_at: instant(job.run_at),
    started_at: instant(job.started_at),
    finished_at: instant(job.finished_at),
    elapsed_ms: elapsed,
    estimated_remaining_ms: estimatedRemainingMs(job.status, elapsed, job.progress),
  };
}

/** An instant as the wire shows it. */
export function instant(date: Date | null): string | null {
  return date === null ? null : date.toISOString();
}
