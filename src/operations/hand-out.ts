import type { Store } from '../database/store.ts';
import type { ClaimKey } from '../domain/claim-id.ts';
import type { StoredError } from '../domain/errors.ts';
import { renderTemplate } from '../domain/expression/evaluate.ts';
import type { Json } from '../domain/json.ts';
import { scopeOf } from '../domain/scope.ts';
import {
  type Handout,
  loadHandouts,
  loadReads,
  loadRemoteHandouts,
  type RemoteHandout,
} from '../repositories/load-scopes.ts';
import type { ClaimedStep } from './advance-jobs.ts';
import { INPUTS_TOO_LARGE } from './decide-conditions.ts';
import { giveWay } from './give-way.ts';

export type { Handout, RemoteHandout };

/** The `with` of a step, its expressions evaluated; an error of that fails the step, not the server. */
export type Rendered = { ok: true; value: Json } | { ok: false; error: StoredError };

/** Loads what claimed steps need to run here. Claims that are no longer valid are left out. */
export async function handOut(
  store: Store,
  claims: readonly ClaimedStep[],
): Promise<(Handout & { rendered: Rendered })[]> {
  return renderAll(store, await known(claims, (unknown) => loadHandouts(store.db, unknown)));
}

/** Loads what claimed steps need to run at a remote worker. Claims that are no longer valid are left out. */
export async function handOutRemote(
  store: Store,
  claims: readonly (ClaimKey & Pick<ClaimedStep, 'handout'>)[],
): Promise<(RemoteHandout & { rendered: Rendered })[]> {
  return renderAll(store, await known(claims, (unknown) => loadRemoteHandouts(store.db, unknown)));
}

/** What the claims need, in their order: those that were committed a moment ago may have it with them. */
async function known<One extends Handout, Claim extends ClaimKey & { handout?: RemoteHandout | undefined }>(
  claims: readonly Claim[],
  load: (claims: readonly Claim[]) => Promise<One[]>,
): Promise<(One | RemoteHandout)[]> {
  const unknown = claims.filter((claim) => claim.handout === undefined);
  const loaded = unknown.length === 0 ? [] : await load(unknown);
  if (unknown.length === claims.length) return loaded;
  const byId = new Map(loaded.map((handout) => [handout.claim_id, handout]));
  return claims.flatMap((claim) => claim.handout ?? byId.get(claim.claim_id) ?? []);
}

async function renderAll<One extends Handout>(
  store: Store,
  handouts: readonly One[],
): Promise<(One & { rendered: Rendered })[]> {
  const rendered: (One & { rendered: Rendered })[] = [];
  const turn = giveWay();
  for (const handout of handouts) {
    rendered.push({ ...handout, rendered: await render(store, handout) });
    await turn();
  }
  return rendered;
}

async function render(store: Store, handout: Handout): Promise<Rendered> {
  if (handout.with_reads === null) return { ok: true, value: handout.with };
  const read = await loadReads(store.db, handout.job_id, handout.with_reads);
  if (read === 'too_large') return { ok: false, error: INPUTS_TOO_LARGE };
  return renderTemplate(handout.with, scopeOf(handout.job_id, handout.input, read, handout.needs ?? []));
}
