import type { Store } from '../database/store.ts';
import type { StoredError } from '../domain/errors.ts';
import type { JobDraft } from '../domain/moves/draft.ts';
import { type AttemptEnd, endAttempt } from '../domain/moves/end-attempt.ts';
import { findExpiredClaims, findStepsOfWorker, type RunningStep } from '../repositories/find-due.ts';
import { advanceJobs } from './advance-jobs.ts';
import { changeDue, draftsOfSteps } from './change-free-jobs.ts';

const BATCH = 200;

/** How many steps were found to need a rescue, and how many got one; the rest is being moved by somebody else. */
export interface Rescue {
  found: number;
  rescued: number;
}

/** Gives back steps whose claim has expired: timed out past their own deadline, lost otherwise. */
export function rescueExpired(store: Store, limit: number = BATCH): Promise<Rescue> {
  return giveBack(store, 'expired', (except) => findExpiredClaims(store.db, limit, except));
}

/** Gives back what a dead worker holds, without waiting for its claims to expire. */
export function rescueWorker(store: Store, workerId: string, limit: number = BATCH): Promise<Rescue> {
  return giveBack(store, 'dead', (except) => findStepsOfWorker(store.db, workerId, limit, except));
}

/** Gives back what a removed worker holds of jobs that nobody else holds, uncharged. */
export function releaseSteps(store: Store, workerId: string): Promise<Rescue> {
  return giveBack(store, 'removed', (except) => findStepsOfWorker(store.db, workerId, BATCH, except));
}

/**
 * The same for one of its jobs, which is waited for, up to `waitMs`: claims come and go on a busy job so often that who
 * only ever passes over it may do so for long. Throws when the lock was not had.
 */
export function releaseStepsOfOneJob(store: Store, workerId: string, waitMs: number): Promise<Rescue> {
  const find = async () => {
    const steps = await findStepsOfWorker(store.db, workerId, BATCH);
    return steps.filter((step) => step.job_id === steps[0]?.job_id);
  };
  return giveBack(store, 'removed', find, waitMs);
}

type Why = 'expired' | 'dead' | 'removed';

// What is given back is a row of history that says so: the worker itself has not said that it gives it back.
const REMOVED: StoredError = {
  code: 'worker_removed',
  message: 'the worker was removed and its steps were given back',
};

async function giveBack(
  store: Store,
  why: Why,
  find: (except: readonly string[]) => Promise<RunningStep[]>,
  waitMs?: number,
): Promise<Rescue> {
  const { found, drafts } = await changeDue(store, {
    find,
    waitMs,
    jobOf: (key) => key.job_id,
    async change(tx, locked, due) {
      const { drafts, mine } = await draftsOfSteps(tx, locked, due);
      for (const key of mine) rescueStep(drafts.get(key.job_id) as JobDraft, key, why);
      await advanceJobs(tx, [...drafts.values()]);
      return [...drafts.values()];
    },
  });
  const byId = new Map(drafts.map((draft) => [draft.job.id, draft]));
  return { found: found.length, rescued: found.filter((key) => isRescued(byId.get(key.job_id), key)).length };
}

function isRescued(draft: JobDraft | undefined, { ordinal, claim_id }: RunningStep): boolean {
  const before = draft?.before.get(ordinal);
  return before?.claim_id === claim_id && draft?.steps.get(ordinal)?.status !== 'running';
}

function rescueStep(draft: JobDraft, key: RunningStep, why: Why): void {
  const step = draft.steps.get(key.ordinal);
  if (step?.status !== 'running' || step.claim_id !== key.claim_id) return;
  // A claim ends with its job's deadline at the latest. Then the job is over, and no step of it should start again.
  if (draft.job.deadline_at <= draft.now) return;
  // It may have been extended between the look and the lock.
  if (why === 'expired' && (step.claim_expires_at ?? 0) > draft.now) return;
  const timedOut = (step.started_at ?? 0) + step.timeout_ms <= draft.now;
  const end: AttemptEnd = why === 'removed' ? { kind: 'released', error: REMOVED } : { kind: 'lost' };
  endAttempt(draft, step, timedOut ? { kind: 'timed_out' } : end, Math.random());
}
