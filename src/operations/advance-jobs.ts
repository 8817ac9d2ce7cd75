import { v4 as uuid } from 'uuid';
import type { Store, Tx } from '../database/store.ts';
import { addSteps, type JobDraft, type StepState } from '../domain/moves/draft.ts';
import { finishJob } from '../domain/moves/finish-job.ts';
import { type ClaimTerms, grantClaim, promoteHeld, room } from '../domain/moves/hold.ts';
import { failFast, mustFailFast, propagate } from '../domain/moves/propagate.ts';
import {
  type LoadedStep,
  loadAllSteps,
  loadHeldSteps,
  loadOpenSteps,
  loadStepsBelow,
} from '../repositories/load-steps.ts';
import { saveDrafts } from '../repositories/save-drafts.ts';

/** A step that a worker now holds, and the id that fences every write about it. */
export interface ClaimedStep {
  job_id: string;
  ordinal: number;
  claim_id: string;
  uses: string;
  attempt: number;
}

/** An offer to run steps that a change promotes, in the same transaction: a chain then costs one commit a step. */
export interface HandOff {
  /** Who takes the step, and on what terms; null leaves it in the queue. Called once a promoted step, in order. */
  take(step: StepState, jobId: string): ClaimTerms | null;
  /** Told of each claim before the commit: should its answer get lost, the worker knows what to ask for. */
  granted?: (claim: ClaimedStep, terms: ClaimTerms) => void;
}

export interface AdvanceOptions {
  /** Jobs that were closed to work until now: what was held in them comes with them. */
  loadHeld?: boolean;
  handOff?: HandOff | undefined;
}

/**
 * Carries changes of steps on to everything that follows from them, and writes it all: dependents hear, what nothing
 * holds is promoted, and a job with nothing open ends. The jobs of the drafts must be locked by this transaction.
 */
export async function advanceJobs(
  tx: Tx,
  drafts: readonly JobDraft[],
  options: AdvanceOptions = {},
): Promise<ClaimedStep[]> {
  await failFastJobs(tx, drafts);
  await propagateAll(tx, drafts);
  await addHeldSteps(tx, drafts, options.loadHeld ?? false);
  const claims: ClaimedStep[] = [];
  for (const draft of drafts) {
    promoteHeld(draft);
    if (options.handOff) claims.push(...handOffPromoted(draft, options.handOff));
    finishJob(draft);
  }
  await saveDrafts(tx, drafts);
  return claims;
}

async function failFastJobs(tx: Tx, drafts: readonly JobDraft[]): Promise<void> {
  const failing = drafts.filter(mustFailFast);
  if (failing.length === 0) return;
  addLoaded(
    failing,
    await loadOpenSteps(
      tx,
      failing.map((draft) => draft.job.id),
    ),
  );
  for (const draft of failing) {
    // Below what fails now there may be steps that an earlier failure ended; they pass the news on.
    if (draft.job.steps_cancelled > 0) addSteps(draft, await loadAllSteps(tx, draft.job.id));
    failFast(draft);
  }
}

async function propagateAll(tx: Tx, drafts: readonly JobDraft[]): Promise<void> {
  // Most changes reach loaded steps only. A cascade first loads what is sure to be skipped, and if that was not all,
  // everything that could be: two rounds, whatever the shape of the graph.
  for (let reach: 'near' | 'all' = 'near'; ; reach = 'all') {
    const missing = drafts.flatMap((draft) =>
      propagate(draft).map((ordinal) => ({ job_id: draft.job.id, ordinal })),
    );
    if (missing.length === 0) return;
    addLoaded(drafts, await loadStepsBelow(tx, missing, reach));
  }
}

async function addHeldSteps(tx: Tx, drafts: readonly JobDraft[], all: boolean): Promise<void> {
  const wanted = drafts
    .filter((draft) => (all || draft.job.max_parallel !== null) && room(draft.job) > 0)
    .map(({ job }) => ({ job_id: job.id, limit: Math.min(room(job), job.steps_pending) }))
    .filter(({ limit }) => limit > 0);
  if (wanted.length > 0) addLoaded(drafts, await loadHeldSteps(tx, wanted));
}

function handOffPromoted(draft: JobDraft, handOff: HandOff): ClaimedStep[] {
  const claims: ClaimedStep[] = [];
  for (const step of draft.promoted) {
    const terms = draft.job.deadline_at <= draft.now ? null : handOff.take(step, draft.job.id);
    if (terms === null) continue;
    const claim = claimInDraft(draft, step, terms);
    handOff.granted?.(claim, terms);
    claims.push(claim);
  }
  return claims;
}

/** Grants a fresh claim on a ready step of the draft. */
export function claimInDraft(draft: JobDraft, step: StepState, terms: ClaimTerms): ClaimedStep {
  const claim_id = uuid();
  grantClaim(draft, step, { ...terms, claim_id });
  return { job_id: draft.job.id, ordinal: step.ordinal, claim_id, uses: step.uses, attempt: step.attempt };
}

/** Sorts loaded steps into the drafts of their jobs. */
export function addLoaded(drafts: readonly JobDraft[], steps: readonly LoadedStep[]): void {
  const byJob = Map.groupBy(steps, (step) => step.job_id);
  for (const draft of drafts) addSteps(draft, byJob.get(draft.job.id) ?? []);
}

/** Sends the hints that follow from committed drafts, and shows them to whoever observes the store. */
export function announce(store: Store, drafts: readonly JobDraft[]): void {
  const changed = drafts.filter((draft) => draft.job.version !== draft.jobBefore.version);
  if (changed.length === 0) return;
  store.observe?.(changed);
  store.wakeUps.jobsChanged(changed.map((draft) => draft.job.id));
  // Also what was ready before: while this held the job's lock, a claim passed it over.
  if (changed.some((draft) => draft.job.steps_ready > 0)) store.wakeUps.stepsReady();
  if (changed.some(hasSomethingDue)) store.wakeUps.somethingDue();
}

function hasSomethingDue(draft: JobDraft): boolean {
  if (draft.job.output_undecided) return true;
  for (const ordinal of draft.before.keys()) {
    const step = draft.steps.get(ordinal);
    if (step?.undecided || step?.status === 'waiting') return true;
  }
  return false;
}
