import type { Store } from '../database/store.ts';
import { moveJob, openDraft } from '../domain/moves/draft.ts';
import { findDueJobs } from '../repositories/find-due.ts';
import { advanceJobs } from './advance-jobs.ts';
import { changeFreeJobs } from './change-free-jobs.ts';

const BATCH = 100;

/** Lets scheduled jobs go whose `run_at` has come. Safe on every server at once. Returns how many were due. */
export async function startScheduledJobs(store: Store, limit: number = BATCH): Promise<number> {
  const due = await findDueJobs(store.db, limit);
  if (due.length === 0) return 0;
  await changeFreeJobs(store, due, async (tx, locked) => {
    const drafts = locked
      .filter(({ job, now }) => job.status === 'scheduled' && (job.run_at ?? 0) <= now)
      .map(({ job, now }) => openDraft(job, [], now));
    for (const draft of drafts) moveJob(draft, 'queued');
    await advanceJobs(tx, drafts, { loadHeld: true });
    return drafts;
  });
  return due.length;
}
