import type { Store, Tx } from '../database/store.ts';
import { inTransaction } from '../database/transaction.ts';
import { AppError } from '../domain/errors.ts';
import { type JobDraft, openDraft } from '../domain/moves/draft.ts';
import { lockJobs } from '../repositories/lock-jobs.ts';
import { announce } from './advance-jobs.ts';

/**
 * What every verb on one job shares: lock it, let `change` work on its draft and write it, send the hints after the
 * commit. Throws `job_not_found`.
 */
export async function changeOneJob(
  store: Store,
  id: string,
  change: (tx: Tx, draft: JobDraft) => Promise<void>,
): Promise<void> {
  const draft = await inTransaction(store.db, async (tx) => {
    const [locked] = await lockJobs(tx, [id], 'wait');
    if (!locked) throw new AppError('job_not_found', `there is no job with the id ${id}`);
    const draft = openDraft(locked.job, [], locked.now, locked.database);
    await change(tx, draft);
    return draft;
  });
  announce(store, [draft]);
}
