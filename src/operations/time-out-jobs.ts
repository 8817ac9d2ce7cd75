import type { Store } from '../database/store.ts';
import { isTerminalJob } from '../domain/job-status.ts';
import { openDraft } from '../domain/moves/draft.ts';
import { timeOutJob } from '../domain/moves/finish-job.ts';
import { findOverdueJobs } from '../repositories/find-due.ts';
import { loadOpenSteps } from '../repositories/load-steps.ts';
import { saveDrafts } from '../repositories/save-drafts.ts';
import { addLoaded } from './advance-jobs.ts';
import { changeDue } from './change-free-jobs.ts';

const BATCH = 20;

/** Ends jobs that are past their deadline. Safe on every server at once. Returns how many were overdue. */
export async function timeOutJobs(store: Store, limit: number = BATCH): Promise<number> {
  const { found } = await changeDue(store, {
    find: (except) => findOverdueJobs(store.db, limit, except),
    jobOf: (id) => id,
    async change(tx, locked) {
      // A retry by hand may have moved the deadline since.
      const drafts = locked
        .filter(({ job, now }) => !isTerminalJob(job.status) && job.deadline_at <= now)
        .map(({ job, now, database }) => openDraft(job, [], now, database));
      if (drafts.length === 0) return [];
      const ids = drafts.map((draft) => draft.job.id);
      addLoaded(drafts, await loadOpenSteps(tx, ids));
      for (const draft of drafts) timeOutJob(draft);
      await saveDrafts(tx, drafts);
      return drafts;
    },
  });
  return found.length;
}
