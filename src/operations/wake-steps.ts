import type { Store } from '../database/store.ts';
import { openDraft } from '../domain/moves/draft.ts';
import { wakeStep } from '../domain/moves/end-attempt.ts';
import { findDueSteps } from '../repositories/find-due.ts';
import { loadStepsAndDependents } from '../repositories/load-steps.ts';
import { addLoaded, advanceJobs } from './advance-jobs.ts';
import { changeFreeJobs } from './change-free-jobs.ts';

const BATCH = 500;

/**
 * Wakes waiting steps that are due: a timer succeeds, a delay gives way to the next attempt. Safe on every server at
 * once. Returns how many were due; call again while that is as many as asked for.
 */
export async function wakeSteps(store: Store, limit: number = BATCH): Promise<number> {
  const due = await findDueSteps(store.db, limit);
  if (due.length === 0) return 0;
  await changeFreeJobs(
    store,
    due.map((key) => key.job_id),
    async (tx, locked) => {
      const drafts = new Map(locked.map(({ job, now }) => [job.id, openDraft(job, [], now)]));
      const mine = due.filter((key) => drafts.has(key.job_id));
      addLoaded([...drafts.values()], await loadStepsAndDependents(tx, mine));
      for (const { job_id, ordinal } of mine) {
        const draft = drafts.get(job_id);
        const step = draft?.steps.get(ordinal);
        if (draft && step?.status === 'waiting' && (step.wake_at ?? Number.POSITIVE_INFINITY) <= draft.now) {
          wakeStep(draft, step);
        }
      }
      await advanceJobs(tx, [...drafts.values()]);
      return [...drafts.values()];
    },
  );
  return due.length;
}
