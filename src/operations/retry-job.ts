import type { Store } from '../database/store.ts';
import { AppError } from '../domain/errors.ts';
import { addSteps } from '../domain/moves/draft.ts';
import { reopenJob } from '../domain/moves/reopen-job.ts';
import { loadAllSteps } from '../repositories/load-steps.ts';
import { advanceJobs } from './advance-jobs.ts';
import { changeOneJob } from './change-job.ts';

/**
 * Retries a failed or cancelled job: what failed, was cancelled or skipped opens again, with everything below it;
 * what succeeded otherwise never runs again. Budgets and the deadline start anew, attempt numbers go on.
 * Throws `job_not_found`, and `job_not_retryable` for a job in any other status.
 */
export async function retryJob(store: Store, id: string): Promise<void> {
  await changeOneJob(store, id, async (tx, draft) => {
    const { status } = draft.job;
    if (status !== 'failed' && status !== 'cancelled') {
      throw new AppError(
        'job_not_retryable',
        `the job is ${status}; only a failed or cancelled job can be retried`,
      );
    }
    const steps = await loadAllSteps(tx, id);
    addSteps(draft, steps);
    reopenJob(draft, new Map(steps.map((step) => [step.ordinal, step.needs])));
    await advanceJobs(tx, [draft]);
  });
}
