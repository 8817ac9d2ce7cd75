import { sqlState } from '../database/sql-state.ts';
import type { Store } from '../database/store.ts';
import { inTransaction } from '../database/transaction.ts';
import { type JobDraft, openDraft } from '../domain/moves/draft.ts';
import { type AttemptEnd, endAttempt } from '../domain/moves/end-attempt.ts';
import { loadStepsAndDependents } from '../repositories/load-steps.ts';
import { findJobs, lockJobs } from '../repositories/lock-jobs.ts';
import { addLoaded, advanceJobs, announce, type ClaimedStep, type HandOff } from './advance-jobs.ts';

/** How one claimed attempt ended. */
export interface StepOutcome {
  job_id: string;
  ordinal: number;
  claim_id: string;
  end: AttemptEnd;
}

/** What became of an outcome: written, refused because its claim is no longer valid, or left because its job is locked. */
export type SettleResult = 'settled' | 'claim_lost' | 'busy';

/** Where a settled attempt left its step. */
export interface StepAfter {
  /** The step failed for good, whatever the worker said: also when its output could not be stored. */
  failed: boolean;
  /** Milliseconds until the step may be taken again; null when at once, or never. */
  retry_in_ms: number | null;
}

export interface Settlement {
  /** One result an outcome, in their order. */
  results: SettleResult[];
  /** The same for those that were settled; null for the others. */
  after: (StepAfter | null)[];
  claims: ClaimedStep[];
}

/**
 * Writes outcomes and everything that follows from them, many jobs in one transaction; returns after the commit.
 * With `skip`, outcomes of jobs that somebody else holds come back `busy`, so that one stuck job holds up no other.
 * Of two outcomes for one claim the first wins. An outcome that the database cannot store fails its step instead.
 * `handOff` is asked for a fresh offer at every try of the transaction.
 */
export async function settleSteps(
  store: Store,
  outcomes: readonly StepOutcome[],
  options: { mode: 'wait' | 'skip'; handOff?: (() => HandOff) | undefined },
): Promise<Settlement> {
  try {
    return await settleTogether(store, outcomes, options);
  } catch (error) {
    // Class 22 or 23: the data itself is refused, and will be each time. Halve until the bad one is alone.
    if (!/^2[23]/.test(sqlState(error) ?? '')) throw error;
    if (outcomes.length > 1) return await settleHalves(store, outcomes, options);
    return await settleTogether(store, outcomes.map(withInvalidOutput), options);
  }
}

async function settleHalves(
  store: Store,
  outcomes: readonly StepOutcome[],
  options: { mode: 'wait' | 'skip'; handOff?: (() => HandOff) | undefined },
): Promise<Settlement> {
  const middle = outcomes.length >> 1;
  const first = await settleSteps(store, outcomes.slice(0, middle), options);
  // The second half takes nothing: an offer stands for one transaction.
  const second = await settleSteps(store, outcomes.slice(middle), { mode: options.mode });
  return {
    results: [...first.results, ...second.results],
    after: [...first.after, ...second.after],
    claims: [...first.claims, ...second.claims],
  };
}

function withInvalidOutput(outcome: StepOutcome): StepOutcome {
  const error = {
    code: 'output_invalid',
    message: 'the database cannot store what this attempt returned',
  };
  return { ...outcome, end: { kind: 'failed', error, retryable: false } };
}

async function settleTogether(
  store: Store,
  outcomes: readonly StepOutcome[],
  options: { mode: 'wait' | 'skip'; handOff?: (() => HandOff) | undefined },
): Promise<Settlement> {
  const jobIds = [...new Set(outcomes.map((outcome) => outcome.job_id))];
  const { drafts, ...settlement } = await inTransaction(store.db, async (tx) => {
    const locked = await lockJobs(tx, jobIds, options.mode);
    const drafts = new Map(locked.map(({ job, now }) => [job.id, openDraft(job, [], now)]));
    const mine = outcomes.filter((outcome) => drafts.has(outcome.job_id));
    if (mine.length > 0) addLoaded([...drafts.values()], await loadStepsAndDependents(tx, mine));
    // One that is gone would be tried again and again otherwise, and then waited for.
    const left = options.mode === 'wait' ? [] : jobIds.filter((id) => !drafts.has(id));
    const busy = new Set(left.length === 0 ? [] : await findJobs(tx, left));
    const results = outcomes.map((outcome) => {
      return busy.has(outcome.job_id) ? 'busy' : applyOutcome(drafts.get(outcome.job_id), outcome);
    });
    const after = outcomes.map((outcome, index) =>
      results[index] === 'settled' ? stepAfter(drafts.get(outcome.job_id), outcome.ordinal) : null,
    );
    const claims = await advanceJobs(tx, [...drafts.values()], { handOff: options.handOff?.() });
    return { results, after, claims, drafts: [...drafts.values()] };
  });
  announce(store, drafts);
  return settlement;
}

function applyOutcome(draft: JobDraft | undefined, outcome: StepOutcome): SettleResult {
  const step = draft?.steps.get(outcome.ordinal);
  if (!draft || step?.status !== 'running' || step.claim_id !== outcome.claim_id) return 'claim_lost';
  endAttempt(draft, step, outcome.end, Math.random());
  return 'settled';
}

function stepAfter(draft: JobDraft | undefined, ordinal: number): StepAfter {
  const step = draft?.steps.get(ordinal);
  const waits = step?.status === 'waiting' && step.wake_at !== null;
  return {
    failed: step?.status === 'failed',
    retry_in_ms: waits ? Math.max(0, (step.wake_at ?? 0) - (draft?.now ?? 0)) : null,
  };
}
