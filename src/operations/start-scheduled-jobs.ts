import type { Store } from '../database/store.ts';
import { inTransaction } from '../database/transaction.ts';
import { moveJob, openDraft } from '../domain/draft.ts';
import { findDueJobs } from '../repositories/find-due.ts';
import { lockJobs } from '../repositories/lock-jobs.ts';
import { advanceJobs, announce } from './advance-jobs.ts';

const BATCH = 100;

/** Lets scheduled jobs go whose `run_at` has come. Safe on every server at once. Returns how many were due. */
export async function startScheduledJobs(store: Store, limit: number = BATCH): Promise<number> {
  const due = await findDueJobs(store.db, limit);
  if (due.length === 0) return 0;
  const drafts = await inTransaction(store.db, async (tx) => {
    const locked = await lockJobs(tx, due, 'skip');
    const drafts = locked
      .filter(({ job, now }) => job.status === 'scheduled' && (job.run_at ?? 0) <= now)
      .map(({ job, now }) => openDraft(job, [], now));
    for (const draft of drafts) moveJob(draft, 'queued');
    await advanceJobs(tx, drafts, { loadHeld: true });
    return drafts;
  });
  announce(store, drafts);
  return due.length;
}
