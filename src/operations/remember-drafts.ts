import type { RememberedJobs } from '../database/remembered-jobs.ts';
import type { Store } from '../database/store.ts';
import { isTerminalJob } from '../domain/job-status.ts';
import { LIMITS } from '../domain/limits.ts';
import type { JobDraft } from '../domain/moves/draft.ts';
import { placeInTime } from '../repositories/draft-changes.ts';
import type { Inserted, NewJob } from '../repositories/insert-jobs.ts';

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
  if (isTerminalJob(job.status) || holdsMuch(draft)) return remembered.forget(job.id);
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

/** What a worker said of a failure may be large, and labels may: the memory is bounded in steps, so these must be small. */
function holdsMuch({ job, steps, before }: JobDraft): boolean {
  const values: unknown[] = [job.error, job.about?.labels ?? null];
  for (const ordinal of before.keys()) values.push(steps.get(ordinal)?.error ?? null);
  return values.some((value) => value !== null && !isSmall(value));
}

/** The first of these jobs that are small, as many as are read whole at once. */
export function worthReading(drafts: readonly JobDraft[]): JobDraft[] {
  let steps = 0;
  return drafts.filter(({ job }) => {
    if (job.steps_total > LIMITS.readWhole || steps + job.steps_total > LIMITS.readWholeTogether)
      return false;
    steps += job.steps_total;
    return true;
  });
}

/** Makes of a new draft, once it is committed, what is stored; and adds what will be handed to whoever runs its steps. */
export function settleNew(
  store: Store,
  { draft, definition, traceparent }: Pick<NewJob, 'draft' | 'definition' | 'traceparent'>,
  { now, database }: Inserted,
): void {
  placeInTime(draft, now);
  draft.job.version = 1;
  draft.database = database;
  if (!store.remembered) return;
  draft.job.about = { labels: definition.labels, traceparent };
  for (const { ordinal, with: given, with_reads } of definition.steps) {
    const step = draft.steps.get(ordinal);
    if (step && with_reads === null && isSmall(given)) step.work = { with: given };
  }
}

function isSmall(value: unknown): boolean {
  return value === null || JSON.stringify(value).length <= LIMITS.rememberedValue;
}
