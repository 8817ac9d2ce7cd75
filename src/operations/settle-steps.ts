import { sqlState } from '../database/sql-state.ts';
import type { Store, Tx } from '../database/store.ts';
import { inTransaction } from '../database/transaction.ts';
import { type JobDraft, openDraft } from '../domain/moves/draft.ts';
import { loadStepsAndDependents, loadWholeJobs } from '../repositories/load-steps.ts';
import { findJobs, lockJobs } from '../repositories/lock-jobs.ts';
import { addLoaded, advanceJobs, announce, type ClaimedStep, type HandOff } from './advance-jobs.ts';
import { worthReading } from './remember-drafts.ts';
import { addHandouts } from './remembered-handouts.ts';
import { settleRemembered, type Written } from './settle-remembered.ts';
import { applyOutcome, type StepAfter, type StepOutcome, stepAfter } from './step-outcome.ts';

/**
 * What became of an outcome: written, refused because its claim is no longer valid, left because its job is locked, or
 * left because its job must be read first, which others of the batch need not wait for.
 */
export type SettleResult = 'settled' | 'claim_lost' | 'busy' | 'unread';

export interface Settlement {
  /** One result an outcome, in their order. */
  results: SettleResult[];
  /** The same for those that were settled; null for the others. */
  after: (StepAfter | null)[];
  claims: ClaimedStep[];
}

interface SettleOptions {
  mode: 'wait' | 'skip';
  /** Where some are written from memory, the others come back `unread` at once. */
  partly?: boolean;
  handOff?: (() => HandOff) | undefined;
}

/**
 * Writes outcomes and everything that follows from them, many jobs in one statement or transaction; returns after the commit.
 * With `skip`, outcomes of jobs that somebody else holds come back `busy`, so that one stuck job holds up no other.
 * Of two outcomes for one claim the first wins. An outcome that the database cannot store fails its step instead.
 * `handOff` is asked for a fresh offer at every try of the transaction.
 */
export async function settleSteps(
  store: Store,
  outcomes: readonly StepOutcome[],
  options: SettleOptions,
): Promise<Settlement> {
  // What is waited for is held by somebody, who changes it.
  if (options.mode === 'wait') return settleLocked(store, outcomes, options);
  const written = await settleRemembered(store, outcomes, options.handOff?.());
  const left = outcomes.filter((outcome) => !written.after.has(outcome) && !written.busy.has(outcome));
  if (left.length === outcomes.length) return settleLocked(store, outcomes, options);
  if (left.length === 0 || options.partly) return together(outcomes, written, null);
  const rest = await settleLocked(store, left, { mode: 'skip' });
  // Meanwhile a claim may have been lost: whoever runs it looks.
  for (const claim of written.claims) claim.handout = undefined;
  return together(outcomes, written, new Map(left.map((outcome, index) => [outcome, [rest, index]])));
}

/** What became of each outcome, in their order: of some it was written from memory, of the rest under their jobs' locks. */
function together(
  outcomes: readonly StepOutcome[],
  written: Written,
  rest: ReadonlyMap<StepOutcome, [Settlement, number]> | null,
): Settlement {
  const results = outcomes.map((outcome): SettleResult => {
    if (written.after.has(outcome)) return 'settled';
    if (written.busy.has(outcome)) return 'busy';
    const [settlement, index] = rest?.get(outcome) ?? [];
    return settlement?.results[index ?? 0] ?? 'unread';
  });
  const after = outcomes.map((outcome) => {
    const [settlement, index] = rest?.get(outcome) ?? [];
    return written.after.get(outcome) ?? settlement?.after[index ?? 0] ?? null;
  });
  return { results, after, claims: written.claims };
}

async function settleLocked(
  store: Store,
  outcomes: readonly StepOutcome[],
  options: SettleOptions,
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
  options: SettleOptions,
): Promise<Settlement> {
  const middle = outcomes.length >> 1;
  const first = await settleLocked(store, outcomes.slice(0, middle), options);
  // The second half takes nothing: an offer stands for one transaction.
  const second = await settleLocked(store, outcomes.slice(middle), { mode: options.mode });
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
  options: SettleOptions,
): Promise<Settlement> {
  const jobIds = [...new Set(outcomes.map((outcome) => outcome.job_id))];
  const { drafts, ...settlement } = await inTransaction(store.db, async (tx) => {
    const locked = await lockJobs(tx, jobIds, options.mode);
    const drafts = new Map(
      locked.map(({ job, now, database }) => [job.id, openDraft(job, [], now, database)]),
    );
    const mine = outcomes.filter((outcome) => drafts.has(outcome.job_id));
    await loadForOutcomes(tx, [...drafts.values()], mine, store.remembered !== undefined);
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
  addHandouts(drafts, settlement.claims);
  return settlement;
}

/** Small jobs are loaded whole, so that they can be remembered; of the others what nearly every outcome needs. */
async function loadForOutcomes(
  tx: Tx,
  drafts: readonly JobDraft[],
  outcomes: readonly StepOutcome[],
  toRemember: boolean,
): Promise<void> {
  const small = toRemember ? worthReading(drafts) : [];
  const whole = new Set(small.map(({ job }) => job.id));
  if (small.length > 0) addLoaded(small, await loadWholeJobs(tx, [...whole]));
  const rest = outcomes.filter(({ job_id }) => !whole.has(job_id));
  if (rest.length > 0) addLoaded(drafts, await loadStepsAndDependents(tx, rest));
}
