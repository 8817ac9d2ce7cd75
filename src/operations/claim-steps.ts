import type { Store, Tx } from '../database/store.ts';
import { sqlState } from '../database/sql-state.ts';
import { setLockTimeout } from '../database/transaction.ts';
import { openDraft, type StepState } from '../domain/draft.ts';
import { lockClaimableJobs, pickReadySteps, type Wanted } from '../repositories/find-claimable.ts';
import type { LockedJob } from '../repositories/lock-jobs.ts';
import { saveDrafts } from '../repositories/save-drafts.ts';
import { addLoaded, announce, type ClaimedStep, claimInDraft } from './advance-jobs.ts';

const LOCK_WAIT_MS = 200;

/**
 * Takes ready steps for a worker, best first. First the jobs are locked, then the steps are picked from
 * them by a statement that sees what earlier claimers left. Jobs that are busy are passed over; only when nothing
 * else is there does it wait for them, at most 200 ms. Empty when there is nothing to take.
 */
export async function claimSteps(
  store: Store,
  wanted: Wanted & {
    workerId: string;
    ttlMs: number;
    /** A last word on each step, in order: false leaves it to others. */
    accept?: (step: StepState) => boolean;
  },
): Promise<ClaimedStep[]> {
  try {
    const { claims, drafts } = await store.db.transaction().execute(async (tx) => {
      const locked = await lockSomeJobs(tx, wanted);
      const drafts = locked.map(({ job, now }) => openDraft(job, [], now));
      if (drafts.length === 0) return { claims: [], drafts };
      const picked = await pickReadySteps(tx, wanted, drafts.map((draft) => draft.job.id));
      addLoaded(drafts, picked);
      const byId = new Map(drafts.map((draft) => [draft.job.id, draft]));
      const claims = picked.flatMap(({ job_id, ordinal }) => {
        const draft = byId.get(job_id);
        const step = draft?.steps.get(ordinal);
        return draft && step && (wanted.accept?.(step) ?? true)
          ? [claimInDraft(draft, step, wanted.workerId, wanted.ttlMs)]
          : [];
      });
      await saveDrafts(tx, drafts);
      return { claims, drafts };
    });
    announce(store, drafts);
    return claims;
  } catch (error) {
    // The wait for busy jobs was too long; the next claim comes soon enough.
    if (sqlState(error) === '55P03') return [];
    throw error;
  }
}

async function lockSomeJobs(tx: Tx, wanted: Wanted): Promise<LockedJob[]> {
  const free = await lockClaimableJobs(tx, wanted, 'skip');
  if (free.length > 0) return free;
  await setLockTimeout(tx, LOCK_WAIT_MS);
  return lockClaimableJobs(tx, wanted, 'wait');
}
