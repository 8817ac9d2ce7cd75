import type { Store } from '../database/store.ts';
import { evaluateCondition } from '../domain/expression/evaluate.ts';
import { openDraft } from '../domain/moves/draft.ts';
import { type Decision, decideStep } from '../domain/moves/propagate.ts';
import { scopeOf } from '../domain/scope.ts';
import { loadReads, loadUndecidedSteps, type UndecidedStep } from '../repositories/load-scopes.ts';
import { loadStepsAndDependents } from '../repositories/load-steps.ts';
import { addLoaded, advanceJobs } from './advance-jobs.ts';
import { changeFreeJobs } from './change-free-jobs.ts';

const BATCH = 200;

/**
 * Decides steps that wait for their `if`: evaluated outside a transaction, applied under the job's lock if the step is
 * still undecided and as it was. Safe on every server at once. Returns how many were found; call again while that is
 * as many as asked for.
 */
export async function decideConditions(store: Store, limit: number = BATCH): Promise<number> {
  const undecided = await loadUndecidedSteps(store.db, limit);
  if (undecided.length === 0) return 0;
  const decided: (UndecidedStep & { decision: Decision })[] = [];
  for (const step of undecided) decided.push({ ...step, decision: await evaluate(store, step) });
  await changeFreeJobs(
    store,
    decided.map((step) => step.job_id),
    async (tx, locked) => {
      const drafts = new Map(locked.map(({ job, now }) => [job.id, openDraft(job, [], now)]));
      const mine = decided.filter((step) => drafts.has(step.job_id));
      addLoaded([...drafts.values()], await loadStepsAndDependents(tx, mine));
      for (const { job_id, ordinal, version, decision } of mine) {
        const draft = drafts.get(job_id);
        const step = draft?.steps.get(ordinal);
        if (draft && step?.undecided && step.version === version) decideStep(draft, step, decision);
      }
      await advanceJobs(tx, [...drafts.values()]);
      return [...drafts.values()];
    },
  );
  return undecided.length;
}

async function evaluate(store: Store, step: UndecidedStep): Promise<Decision> {
  const read = await loadReads(store.db, step.job_id, step.if_reads);
  if (read === 'too_large') return { ok: false, error: INPUTS_TOO_LARGE };
  return evaluateCondition(step.if, {
    ...scopeOf(step.job_id, step.input, read, step.needs),
    success: step.need_not_succeeded === null,
    failure: step.failed_above,
  });
}

/** What a step fails with when the outputs that its expressions read are too large together. */
export const INPUTS_TOO_LARGE = {
  code: 'inputs_too_large',
  message:
    'the outputs that its expressions read are larger than 8 MB together; pass references instead of data',
};
