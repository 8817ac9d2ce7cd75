import type { RememberedJobs } from '../database/remembered-jobs.ts';
import type { Store } from '../database/store.ts';
import type { NormalJob } from '../domain/job-definition/normalise.ts';
import { isTerminalJob } from '../domain/job-status.ts';
import { LIMITS } from '../domain/limits.ts';
import type { JobDraft } from '../domain/moves/draft.ts';

/**
 * Remembers what was committed: of a draft that holds all steps of its job the whole, of another what it changed in what
 * was remembered before.
 */
export function rememberDrafts(store: Store, drafts: readonly JobDraft[]): void {
  const { remembered } = store;
  if (!remembered) return;
  for (const draft of drafts) {
    if (draft.database !== null) rememberDraft(remembered, draft, draft.database);
  }
}

function rememberDraft(remembered: RememberedJobs, draft: JobDraft, database: string): void {
  const { job, jobBefore, steps, before } = draft;
  const isSame = remembered.database() === database;
  const known = remembered.look(job.id);
  remembered.sawClock(draft.now);
  if (isTerminalJob(job.status)) return remembered.forget(job.id);
  // Outputs are only ever written: an absent one is as it was.
  delete job.output;
  for (const ordinal of before.keys()) delete steps.get(ordinal)?.output;
  if (steps.size === job.steps_total) return remembered.keep({ job, steps }, database);
  if (known === undefined || !isSame || known.job.version !== jobBefore.version) {
    return remembered.forget(job.id);
  }
  for (const ordinal of before.keys()) {
    const step = steps.get(ordinal);
    const work = known.steps.get(ordinal)?.work ?? null;
    if (step) known.steps.set(ordinal, { ...step, work });
  }
  remembered.keep({ job, steps: known.steps }, database);
}

/** Adds to a new draft what will be handed to whoever runs its steps. */
export function addWork(draft: JobDraft, definition: NormalJob, traceparent: string | null): void {
  draft.job.about = { labels: definition.labels, traceparent };
  for (const { ordinal, with: given, with_reads } of definition.steps) {
    const step = draft.steps.get(ordinal);
    const isSmall = given === null || JSON.stringify(given).length <= LIMITS.rememberedWith;
    if (step && with_reads === null && isSmall) step.work = { with: given };
  }
}
