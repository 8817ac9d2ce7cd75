import { passesByItself, sqlState } from '../database/sql-state.ts';
import type { Store, Tx } from '../database/store.ts';
import { inTransaction } from '../database/transaction.ts';
import type { JobDraft } from '../domain/moves/draft.ts';
import { type LockedJob, lockJobs } from '../repositories/lock-jobs.ts';
import { announce } from './advance-jobs.ts';

const QUERY_CANCELED = '57014';

/**
 * What everything shares that happens by itself, to many jobs at once: lock those that nobody holds, let `change` work
 * on them and write, send the hints after the commit. Returns the drafts that `change` returned.
 *
 * One job that cannot be written, or too much of it for one statement, must not keep the others from being written:
 * then each half is tried alone, and the error is thrown when all that could be written is.
 */
export async function changeFreeJobs(
  store: Store,
  ids: readonly string[],
  change: (tx: Tx, locked: LockedJob[]) => Promise<JobDraft[]>,
): Promise<JobDraft[]> {
  const distinct = [...new Set(ids)];
  try {
    const drafts = await inTransaction(store.db, async (tx) => {
      const locked = await lockJobs(tx, distinct, 'skip');
      return locked.length === 0 ? [] : change(tx, locked);
    });
    announce(store, drafts);
    return drafts;
  } catch (error) {
    const mayBeOneOfThem = !passesByItself(error) || sqlState(error) === QUERY_CANCELED;
    if (distinct.length < 2 || !mayBeOneOfThem) throw error;
    const middle = distinct.length >> 1;
    const halves = await Promise.allSettled([
      changeFreeJobs(store, distinct.slice(0, middle), change),
      changeFreeJobs(store, distinct.slice(middle), change),
    ]);
    return halves.flatMap((half) => {
      if (half.status === 'rejected') throw half.reason;
      return half.value;
    });
  }
}
