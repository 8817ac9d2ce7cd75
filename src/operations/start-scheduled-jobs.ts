import type { Store } from '../database/store.ts';
import { moveJob, openDraft } from '../domain/moves/draft.ts';
import { findDueJobs } from '../repositories/find-due.ts';
import { advanceJobs } from './advance-jobs.ts';
import { changeDue } from './change-free-jobs.ts';

const BATCH = 100;

/** Lets scheduled jobs go whose `run_at` has come. Safe on every server at once. Returns how many were due. */
export async function startScheduledJobs(store: Store, limit: number = BATCH): Promise<number> {
  const { found } = await changeDue(store, {
    find: (except) => findDueJobs(store.db, limit, except),
    jobOf: (id) => id,
    async change(tx, locked) {
      const drafts = locked
        .filter(({ job, now }) => job.status === 'scheduled' && (job.run_at ?? 0) <= now)
        .map(({ job, now, database }) => openDraft(job, [], now, database));
      for (const draft of drafts) moveJob(draft, 'queued');
      await advanceJobs(tx, drafts, { loadHeld: true });
      return drafts;
    },
  });
  return found.length;
}
