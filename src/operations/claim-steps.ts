import { sqlState } from '../database/sql-state.ts';
import type { Store, Tx } from '../database/store.ts';
import { setLockTimeout } from '../database/transaction.ts';
import { openDraft, type StepState } from '../domain/moves/draft.ts';
import {
  lockClaimableJobs,
  lockFartherJobs,
  pickReadySteps,
  type Wanted,
} from '../repositories/find-claimable.ts';
import type { LockedJob } from '../repositories/lock-jobs.ts';
import { saveDrafts } from '../repositories/save-drafts.ts';
import { addLoaded, announce, type ClaimedStep, claimInDraft } from './advance-jobs.ts';

const LOCK_WAIT_MS = 200;

/** What a worker asks for. */
type Request = Wanted & {
  workerId: string;
  ttlMs: number;
  /** A last word on each step, in order: false leaves it to others. */
  accept?: (step: StepState) => boolean;
  /** Told of each claim before the commit: should its answer get lost, the worker knows what to ask for. */
  granted?: (claim: ClaimedStep) => void;
};

/**
 * Takes ready steps for a worker, best first. First the jobs are locked, then the steps are picked from
 * them by a statement that sees what earlier claimers left. Jobs that are busy are passed over; only when nothing
 * else is near does it wait for them, at most 200 ms, and then looks farther. Empty when there is nothing to take.
 */
export async function claimSteps(store: Store, request: Request): Promise<ClaimedStep[]> {
  try {
    return await claimFrom(store, request, 'near');
  } catch (error) {
    // Everything in front is stuck: that must not keep from us what lies behind it.
    if (sqlState(error) === '55P03') return claimFrom(store, request, 'far');
    throw error;
  }
}

async function claimFrom(store: Store, request: Request, reach: 'near' | 'far'): Promise<ClaimedStep[]> {
  const { claims, drafts } = await store.db.transaction().execute(async (tx) => {
    const locked = await (reach === 'near' ? lockSomeJobs(tx, request) : lockFartherJobs(tx, request));
    // A job past its deadline is about to end; nothing of it starts any more.
    const drafts = locked
      .filter(({ job, now }) => job.deadline_at > now)
      .map(({ job, now }) => openDraft(job, [], now));
    if (drafts.length === 0) return { claims: [], drafts };
    const picked = await pickReadySteps(
      tx,
      request,
      drafts.map((draft) => draft.job.id),
      reach,
    );
    addLoaded(drafts, picked);
    const byId = new Map(drafts.map((draft) => [draft.job.id, draft]));
    const left = new Map(request.uses.map(({ uses, max }) => [uses, max]));
    const claims = picked.flatMap(({ job_id, ordinal, uses }) => {
      const draft = byId.get(job_id);
      const step = draft?.steps.get(ordinal);
      const room = left.get(uses) ?? 0;
      if (!draft || !step || room === 0 || !(request.accept?.(step) ?? true)) return [];
      left.set(uses, room - 1);
      const claim = claimInDraft(draft, step, request.workerId, request.ttlMs);
      request.granted?.(claim);
      return [claim];
    });
    await saveDrafts(tx, drafts);
    return { claims, drafts };
  });
  announce(store, drafts);
  return claims;
}

async function lockSomeJobs(tx: Tx, wanted: Wanted): Promise<LockedJob[]> {
  const free = await lockClaimableJobs(tx, wanted, 'skip');
  if (free.length > 0) return free;
  await setLockTimeout(tx, LOCK_WAIT_MS);
  return lockClaimableJobs(tx, wanted, 'wait');
}
