import type { Store } from '../database/store.ts';
import { renderOutput } from '../domain/expression/evaluate.ts';
import type { Json } from '../domain/json.ts';
import { openDraft } from '../domain/moves/draft.ts';
import { decideOutput } from '../domain/moves/finish-job.ts';
import { scopeOf } from '../domain/scope.ts';
import { loadReads, loadUndecidedOutputs, type UndecidedOutput } from '../repositories/load-scopes.ts';
import { saveDrafts } from '../repositories/save-drafts.ts';
import { changeDue } from './change-free-jobs.ts';
import { INPUTS_TOO_LARGE } from './decide-conditions.ts';

const BATCH = 100;

type Rendered = { ok: true; value: Json } | { ok: false; error: { code: string; message: string } };

/**
 * Ends jobs of which only the `output` was still to be evaluated. An error in it fails the job, not its steps.
 * Safe on every server at once. Returns how many were found.
 */
export async function decideOutputs(store: Store, limit: number = BATCH): Promise<number> {
  const { found } = await changeDue(store, {
    find: async (except) => evaluateAll(store, await loadUndecidedOutputs(store.db, limit, except)),
    jobOf: (job) => job.id,
    async change(tx, locked, decided) {
      const byId = new Map(decided.map((job) => [job.id, job]));
      const drafts = locked.map(({ job, now, database }) => openDraft(job, [], now, database));
      for (const draft of drafts) {
        const found = byId.get(draft.job.id);
        if (found && draft.job.output_undecided && draft.job.retry_round === found.retry_round) {
          decideOutput(draft, found.decision);
        }
      }
      await saveDrafts(tx, drafts);
      return drafts;
    },
  });
  return found.length;
}

async function evaluateAll(
  store: Store,
  jobs: readonly UndecidedOutput[],
): Promise<(UndecidedOutput & { decision: Rendered })[]> {
  const decided: (UndecidedOutput & { decision: Rendered })[] = [];
  for (const job of jobs) decided.push({ ...job, decision: await evaluate(store, job) });
  return decided;
}

async function evaluate(store: Store, job: UndecidedOutput): Promise<Rendered> {
  const read = await loadReads(store.db, job.id, job.output_reads);
  if (read === 'too_large') return { ok: false, error: INPUTS_TOO_LARGE };
  return renderOutput(job.output_template, scopeOf(job.id, job.input, read, []));
}
