import { v4 as uuid } from 'uuid';
import type { Store, Tx } from '../database/store.ts';
import { addSteps, type JobDraft, type StepState } from '../domain/moves/draft.ts';
import { finishJob } from '../domain/moves/finish-job.ts';
import { type ClaimTerms, grantClaim, promoteHeld, room } from '../domain/moves/hold.ts';
import { failFast, mustFailFast, propagate } from '../domain/moves/propagate.ts';
import { readRequestingWorkers } from '../repositories/claim-requests.ts';
import type { RemoteHandout } from '../repositories/load-scopes.ts';
import {
  type LoadedStep,
  loadAllSteps,
  loadHeldSteps,
  loadOpenSteps,
  loadStepsBelow,
} from '../repositories/load-steps.ts';
import { saveDrafts } from '../repositories/save-drafts.ts';
import { rememberDrafts } from './remember-drafts.ts';

/** A step that a worker now holds, and the id that fences every write about it. */
export interface ClaimedStep {
  job_id: string;
  ordinal: number;
  claim_id: string;
  uses: string;
  attempt: number;
  /** What to run, where it was in memory when the claim was committed. */
  handout?: RemoteHandout | undefined;
}

/** An offer to run steps that a change promotes, in the same transaction: a chain then costs one commit a step. */
export interface HandOff {
  /** Ids of the remote workers that would take some; absent: none would. */
  workers?: readonly string[];
  /**
   * Who takes the step, and on what terms; null leaves it in the queue. Called once a promoted step, in order.
   * `leaving`: those of the workers that have been drained or removed, and are given nothing.
   */
  take(step: StepState, jobId: string, leaving: ReadonlySet<string>): ClaimTerms | null;
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
  const failed = await failFastJobs(tx, drafts);
  await propagateAll(tx, drafts);
  const held = await addHeldSteps(tx, drafts, options.loadHeld ?? false);
  for (const draft of drafts) {
    // What was held first may just have been cancelled: all that is left comes into question.
    promoteHeld(draft, failed.has(draft) ? [...draft.steps.values()] : held.get(draft.job.id));
  }
  const claims = options.handOff ? await handOffWhatIsReady(tx, drafts, options.handOff) : [];
  for (const draft of drafts) finishJob(draft);
  await saveDrafts(tx, drafts);
  return claims;
}

/** Returns the drafts that failed fast; they hold every open step. */
async function failFastJobs(tx: Tx, drafts: readonly JobDraft[]): Promise<ReadonlySet<JobDraft>> {
  const failing = drafts.filter(mustFailFast);
  if (failing.length === 0) return new Set();
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
  return new Set(failing);
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

/** Loads what was held before, where there may be room for it; by the ids of the jobs. */
async function addHeldSteps(
  tx: Tx,
  drafts: readonly JobDraft[],
  all: boolean,
): Promise<Map<string, LoadedStep[]>> {
  const wanted = drafts
    .filter((draft) => (all || draft.job.max_parallel !== null) && room(draft.job) > 0)
    .map(({ job }) => ({ job_id: job.id, limit: Math.min(room(job), job.steps_pending) }))
    .filter(({ limit }) => limit > 0);
  const held = wanted.length === 0 ? [] : await loadHeldSteps(tx, wanted);
  addLoaded(drafts, held);
  return Map.groupBy(held, (step) => step.job_id);
}

async function handOffWhatIsReady(
  tx: Tx,
  drafts: readonly JobDraft[],
  handOff: HandOff,
): Promise<ClaimedStep[]> {
  if (drafts.every(({ promoted }) => promoted.length === 0)) return [];
  return handOffPromoted(drafts, handOff, await findLeaving(tx, handOff.workers ?? []));
}

/** Hands promoted steps to whoever takes them; `leaving`: workers that must be given nothing. */
export function handOffPromoted(
  drafts: readonly JobDraft[],
  handOff: HandOff,
  leaving: ReadonlySet<string>,
): ClaimedStep[] {
  const claims: ClaimedStep[] = [];
  for (const draft of drafts) {
    if (draft.job.deadline_at <= draft.now) continue;
    for (const step of draft.promoted) {
      const terms = handOff.take(step, draft.job.id, leaving);
      if (terms === null) continue;
      const claim = claimInDraft(draft, step, terms);
      handOff.granted?.(claim, terms);
      claims.push(claim);
    }
  }
  return claims;
}

/** Whoever removes a worker waits for the job of an outcome of its: what is handed off in exchange is seen then. */
async function findLeaving(tx: Tx, workers: readonly string[]): Promise<ReadonlySet<string>> {
  if (workers.length === 0) return new Set();
  const rows = await readRequestingWorkers(tx, workers);
  const working = new Set(rows.filter(({ command }) => command === 'run').map(({ id }) => id));
  return new Set(workers.filter((id) => !working.has(id)));
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

/** Sends the hints that follow from committed drafts, remembers them, and shows them to whoever observes the store. */
export function announce(store: Store, drafts: readonly JobDraft[]): void {
  const changed = drafts.filter((draft) => draft.job.version !== draft.jobBefore.version);
  if (changed.length === 0) return;
  store.observe?.(changed);
  rememberDrafts(store, changed);
  const byId = new Map(changed.map((draft) => [draft.job.id, draft.job]));
  store.wakeUps.jobsChanged(byId.keys(), (id) => byId.get(id));
  // Also what was ready before: while this held the job's lock, a claim passed it over.
  if (changed.some((draft) => draft.job.steps_ready > 0)) store.wakeUps.stepsReady();
  if (changed.some(hasSomethingDue)) store.wakeUps.somethingDue();
}

// What is due later, every server finds by itself in time: none sleeps that long.
const SOON_MS = 1_500;

function hasSomethingDue({ job, before, steps, now }: JobDraft): boolean {
  const isSoon = (instant: number | null) => instant !== null && instant - now <= SOON_MS;
  if (job.output_undecided || (job.status === 'scheduled' && isSoon(job.run_at))) return true;
  for (const ordinal of before.keys()) {
    const step = steps.get(ordinal);
    if (step?.undecided || (step?.status === 'waiting' && isSoon(step.wake_at))) return true;
  }
  return false;
}
