import type { Store } from '../database/store.ts';
import { inTransaction } from '../database/transaction.ts';
import { AppError } from '../domain/errors.ts';
import { isTerminalJob } from '../domain/job-status.ts';
import { deleteTerminalJobs } from '../repositories/delete-jobs.ts';
import { lockJobs } from '../repositories/lock-jobs.ts';

/**
 * Deletes a job that is over, with its steps, attempts and logs. Throws `job_not_found`, and `job_not_terminal` for
 * one that is not over.
 */
export async function deleteJob(store: Store, id: string): Promise<void> {
  await inTransaction(store.db, async (tx) => {
    const [locked] = await lockJobs(tx, [id], 'wait');
    if (!locked) throw new AppError('job_not_found', `there is no job with the id ${id}`);
    const { status } = locked.job;
    if (!isTerminalJob(status)) {
      throw new AppError('job_not_terminal', `the job is ${status}; cancel it first, then delete it`);
    }
    await deleteTerminalJobs(tx, [id]);
  });
  store.wakeUps.jobsChanged([id]);
}
