import type { Store } from '../database/store.ts';
import { wakeStep } from '../domain/moves/end-attempt.ts';
import { findDueSteps } from '../repositories/find-due.ts';
import { advanceJobs } from './advance-jobs.ts';
import { changeDue, draftsOfSteps } from './change-free-jobs.ts';

const BATCH = 500;

/**
 * Wakes waiting steps that are due: a timer succeeds, a delay gives way to the next attempt. Safe on every server at
 * once. Returns how many were due; call again while that is as many as asked for.
 */
export async function wakeSteps(store: Store, limit: number = BATCH): Promise<number> {
  const { found } = await changeDue(store, {
    find: (except) => findDueSteps(store.db, limit, except),
    jobOf: (key) => key.job_id,
    async change(tx, locked, due) {
      const { drafts, mine } = await draftsOfSteps(tx, locked, due);
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
  });
  return found.length;
}
