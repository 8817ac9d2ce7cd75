import type { Store } from '../database/store.ts';
import { evaluateCondition } from '../domain/expression/evaluate.ts';
import { type Decision, decideStep } from '../domain/moves/propagate.ts';
import { scopeOf } from '../domain/scope.ts';
import { loadReads, loadUndecidedSteps, type UndecidedStep } from '../repositories/load-scopes.ts';
import { advanceJobs } from './advance-jobs.ts';
import { changeDue, draftsOfSteps } from './change-free-jobs.ts';

const BATCH = 200;

/**
 * Decides steps that wait for their `if`: evaluated outside a transaction, applied under the job's lock if the step is
 * still undecided and as it was. Safe on every server at once. Returns how many were found; call again while that is
 * as many as asked for.
 */
export async function decideConditions(store: Store, limit: number = BATCH): Promise<number> {
  const { found } = await changeDue(store, {
    find: async (except) => evaluateAll(store, await loadUndecidedSteps(store.db, limit, except)),
    jobOf: (step) => step.job_id,
    async change(tx, locked, decided) {
      const { drafts, mine } = await draftsOfSteps(tx, locked, decided);
      for (const { job_id, ordinal, version, decision } of mine) {
        const draft = drafts.get(job_id);
        const step = draft?.steps.get(ordinal);
        if (draft && step?.undecided && step.version === version) decideStep(draft, step, decision);
      }
      await advanceJobs(tx, [...drafts.values()]);
      return [...drafts.values()];
    },
  });
  return found.length;
}

async function evaluateAll(
  store: Store,
  steps: readonly UndecidedStep[],
): Promise<(UndecidedStep & { decision: Decision })[]> {
  const decided: (UndecidedStep & { decision: Decision })[] = [];
  for (const step of steps) decided.push({ ...step, decision: await evaluate(store, step) });
  return decided;
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
