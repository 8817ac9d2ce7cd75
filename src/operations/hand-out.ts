import type { Store } from '../database/store.ts';
import type { StoredError } from '../domain/errors.ts';
import { renderTemplate } from '../domain/expression/evaluate.ts';
import type { Json } from '../domain/json.ts';
import { scopeOf } from '../domain/scope.ts';
import { type Handout, loadHandouts, loadReads } from '../repositories/load-scopes.ts';
import type { ClaimedStep } from './advance-jobs.ts';
import { INPUTS_TOO_LARGE } from './decide-conditions.ts';

export type { Handout };

/**
 * Loads what claimed steps need to run, their `with` rendered; an error of that fails the step, not the server.
 * Claims that are no longer valid are left out.
 */
export async function handOut(
  store: Store,
  claims: readonly ClaimedStep[],
): Promise<(Handout & { rendered: Rendered })[]> {
  const handouts = await loadHandouts(store.db, claims);
  const rendered: (Handout & { rendered: Rendered })[] = [];
  for (const handout of handouts) rendered.push({ ...handout, rendered: await render(store, handout) });
  return rendered;
}

type Rendered = { ok: true; value: Json } | { ok: false; error: StoredError };

async function render(store: Store, handout: Handout): Promise<Rendered> {
  if (handout.with_reads === null) return { ok: true, value: handout.with };
  const read = await loadReads(store.db, handout.job_id, handout.with_reads);
  if (read === 'too_large') return { ok: false, error: INPUTS_TOO_LARGE };
  return renderTemplate(handout.with, scopeOf(handout.job_id, handout.input, read, handout.needs ?? []));
}
