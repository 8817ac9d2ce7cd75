import type { Store } from '../database/store.ts';
import { inTransaction } from '../database/transaction.ts';
import { type JobDraft, openDraft } from '../domain/draft.ts';
import { endAttempt } from '../domain/end-attempt.ts';
import { findExpiredClaims, findStepsOfWorker, type RunningStep } from '../repositories/find-due.ts';
import { loadStepsAndDependents } from '../repositories/load-steps.ts';
import { lockJobs } from '../repositories/lock-jobs.ts';
import { addLoaded, advanceJobs, announce } from './advance-jobs.ts';

const BATCH = 200;

/** How many steps were found to need a rescue, and how many got one; the rest is being moved by somebody else. */
export interface Rescue {
  found: number;
  rescued: number;
}

/** Gives back steps whose claim has expired: timed out past their own deadline, lost otherwise. */
export async function rescueExpired(store: Store, limit: number = BATCH): Promise<Rescue> {
  const found = await findExpiredClaims(store.db, limit);
  return giveBack(store, found, 'expired');
}

/** Gives back what a dead worker holds, without waiting for its claims to expire. */
export async function rescueWorker(store: Store, workerId: string, limit: number = BATCH): Promise<Rescue> {
  const found = await findStepsOfWorker(store.db, workerId, limit);
  return giveBack(store, found, 'dead');
}

async function giveBack(store: Store, found: RunningStep[], why: 'expired' | 'dead'): Promise<Rescue> {
  if (found.length === 0) return { found: 0, rescued: 0 };
  const { drafts, rescued } = await inTransaction(store.db, async (tx) => {
    const locked = await lockJobs(tx, [...new Set(found.map((key) => key.job_id))], 'skip');
    const drafts = new Map(locked.map(({ job, now }) => [job.id, openDraft(job, [], now)]));
    const mine = found.filter((key) => drafts.has(key.job_id));
    if (mine.length === 0) return { drafts: [], rescued: 0 };
    addLoaded([...drafts.values()], await loadStepsAndDependents(tx, mine));
    const rescued = mine.filter((key) => rescueStep(drafts.get(key.job_id) as JobDraft, key, why)).length;
    await advanceJobs(tx, [...drafts.values()]);
    return { drafts: [...drafts.values()], rescued };
  });
  announce(store, drafts);
  return { found: found.length, rescued };
}

function rescueStep(draft: JobDraft, key: RunningStep, why: 'expired' | 'dead'): boolean {
  const step = draft.steps.get(key.ordinal);
  if (step?.status !== 'running' || step.claim_id !== key.claim_id) return false;
  // It may have been extended between the look and the lock.
  if (why === 'expired' && (step.claim_expires_at ?? 0) > draft.now) return false;
  const timedOut = (step.started_at ?? 0) + step.timeout_ms <= draft.now;
  endAttempt(draft, step, { kind: timedOut ? 'timed_out' : 'lost' }, Math.random());
  return true;
}
