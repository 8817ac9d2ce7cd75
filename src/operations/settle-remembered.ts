import type { Store } from '../database/store.ts';
import { draftOver, type JobDraft } from '../domain/moves/draft.ts';
import { finishJob } from '../domain/moves/finish-job.ts';
import { promoteHeld } from '../domain/moves/hold.ts';
import { mustFailFast, propagate } from '../domain/moves/propagate.ts';
import { announce, type ClaimedStep, type HandOff, handOffPromoted } from './advance-jobs.ts';
import { addHandouts } from './remembered-handouts.ts';
import { saveIfUnchanged } from './save-if-unchanged.ts';
import { applyOutcome, type StepAfter, type StepOutcome, stepAfter } from './step-outcome.ts';

/** What was written from memory: of each outcome in it, where its step is now. */
export interface Written {
  after: Map<StepOutcome, StepAfter>;
  /** Outcomes of jobs that this very server is changing. */
  busy: Set<StepOutcome>;
  claims: ClaimedStep[];
}

/**
 * Settles the outcomes of jobs that this server remembers, in one statement, without reading anything: a chain then costs
 * one round trip a step. What is out of the ordinary is not done here: outcomes of jobs that are not remembered, changed
 * since, held by somebody, or of which more would have to be known, are left to whoever reads the job under its lock.
 */
export async function settleRemembered(
  store: Store,
  outcomes: readonly StepOutcome[],
  handOff: HandOff | undefined,
): Promise<Written> {
  const { remembered } = store;
  const written: Written = { after: new Map(), busy: new Set(), claims: [] };
  const [database, now] = [remembered?.database() ?? null, remembered?.now() ?? null];
  if (!remembered || database === null || now === null) return written;
  const byJob = Map.groupBy(outcomes, (outcome) => outcome.job_id);
  const drafts: JobDraft[] = [];
  const taken: string[] = [];
  try {
    for (const [id, theirs] of byJob) {
      if (remembered.isLent(id)) for (const outcome of theirs) written.busy.add(outcome);
      const known = remembered.take(id);
      if (known === undefined) continue;
      taken.push(id);
      const draft = draftOver(known.job, known.steps, now, database);
      if (applyAll(draft, theirs)) drafts.push(draft);
    }
    if (drafts.length > 0) await write(store, drafts, { byJob, database, handOff, written });
  } finally {
    remembered.back(taken);
  }
  return written;
}

async function write(
  store: Store,
  drafts: readonly JobDraft[],
  options: {
    byJob: ReadonlyMap<string, StepOutcome[]>;
    database: string;
    handOff: HandOff | undefined;
    written: Written;
  },
): Promise<void> {
  const { byJob, database, handOff, written } = options;
  const claims = handOff ? handOffPromoted(drafts, handOff, new Set()) : [];
  for (const draft of drafts) finishJob(draft);
  const saved = await saveIfUnchanged(store, drafts, { database, workers: handOff?.workers ?? [] });
  const committed = drafts.filter((draft) => saved.has(draft.job.id));
  for (const draft of committed) {
    for (const outcome of byJob.get(draft.job.id) ?? [])
      written.after.set(outcome, stepAfter(draft, outcome.ordinal));
  }
  announce(store, committed);
  written.claims = claims.filter((claim) => saved.has(claim.job_id));
  addHandouts(committed, written.claims);
}

/** False when something needs a closer look: nothing of the draft may be written then. */
function applyAll(draft: JobDraft, outcomes: readonly StepOutcome[]): boolean {
  for (const outcome of outcomes) {
    // An instant that was given must not be told by its distance from a guess.
    if (outcome.end.kind === 'parked' && outcome.end.until !== undefined) return false;
    if (applyOutcome(draft, outcome) !== 'settled') return false;
  }
  if (mustFailFast(draft) || draft.ended.length > 0 || draft.job.max_parallel !== null) return false;
  if (propagate(draft).length > 0) return false;
  promoteHeld(draft);
  return true;
}
