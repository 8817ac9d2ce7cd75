import type { Store } from '../database/store.ts';
import { type JobDraft, openDraft } from '../domain/moves/draft.ts';
import { endAttempt } from '../domain/moves/end-attempt.ts';
import { findExpiredClaims, findStepsOfWorker, type RunningStep } from '../repositories/find-due.ts';
import { loadStepsAndDependents } from '../repositories/load-steps.ts';
import { addLoaded, advanceJobs } from './advance-jobs.ts';
import { changeFreeJobs } from './change-free-jobs.ts';

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
  const drafts = await changeFreeJobs(
    store,
    found.map((key) => key.job_id),
    async (tx, locked) => {
      const drafts = new Map(locked.map(({ job, now }) => [job.id, openDraft(job, [], now)]));
      const mine = found.filter((key) => drafts.has(key.job_id));
      addLoaded([...drafts.values()], await loadStepsAndDependents(tx, mine));
      for (const key of mine) rescueStep(drafts.get(key.job_id) as JobDraft, key, why);
      await advanceJobs(tx, [...drafts.values()]);
      return [...drafts.values()];
    },
  );
  const byId = new Map(drafts.map((draft) => [draft.job.id, draft]));
  return { found: found.length, rescued: found.filter((key) => isRescued(byId.get(key.job_id), key)).length };
}

function isRescued(draft: JobDraft | undefined, { ordinal, claim_id }: RunningStep): boolean {
  const before = draft?.before.get(ordinal);
  return before?.claim_id === claim_id && draft?.steps.get(ordinal)?.status !== 'running';
}

function rescueStep(draft: JobDraft, key: RunningStep, why: 'expired' | 'dead'): void {
  const step = draft.steps.get(key.ordinal);
  if (step?.status !== 'running' || step.claim_id !== key.claim_id) return;
  // A claim ends with its job's deadline at the latest. Then the job is over, and no step of it should start again.
  if (draft.job.deadline_at <= draft.now) return;
  // It may have been extended between the look and the lock.
  if (why === 'expired' && (step.claim_expires_at ?? 0) > draft.now) return;
  const timedOut = (step.started_at ?? 0) + step.timeout_ms <= draft.now;
  endAttempt(draft, step, { kind: timedOut ? 'timed_out' : 'lost' }, Math.random());
}
