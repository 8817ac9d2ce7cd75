import type { Store } from '../database/store.ts';
import { inTransaction } from '../database/transaction.ts';
import type { JobStatus } from '../domain/job-status.ts';
import { countExpiredJobs, deleteTerminalJobs, findExpiredJobs } from '../repositories/delete-jobs.ts';

const BATCH = 50;

/**
 * Deletes jobs that ended more than `days` ago, oldest first, in small transactions until none is left or
 * `deadlineMs` have passed (then `more` is true). With `dryRun` it only counts.
 */
export async function cleanupJobs(
  store: Store,
  options: { days: number; statuses: JobStatus[] | null; dryRun: boolean; deadlineMs: number },
): Promise<{ deleted_count: number; more: boolean }> {
  if (options.dryRun) return { deleted_count: await countExpiredJobs(store.db, options), more: false };
  const end = performance.now() + options.deadlineMs;
  let deleted = 0;
  for (;;) {
    const ids = await findExpiredJobs(store.db, options, BATCH);
    if (ids.length === 0) return { deleted_count: deleted, more: false };
    const gone = await inTransaction(store.db, (tx) => deleteTerminalJobs(tx, ids, options));
    deleted += gone;
    // None went: the rest is locked by somebody, and looking again at once would spin.
    if (gone === 0 || performance.now() >= end) return { deleted_count: deleted, more: true };
  }
}
