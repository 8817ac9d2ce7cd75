import type { Store } from '../database/store.ts';
import { draftOver, type JobDraft } from '../domain/moves/draft.ts';
import { type Demand, peekReadySteps } from '../repositories/find-claimable.ts';
import { announce } from './advance-jobs.ts';
import type { ClaimRequest } from './claim-request.ts';
import { type Grants, grantSteps } from './grant-steps.ts';
import { addHandouts } from './remembered-handouts.ts';
import { saveIfUnchanged } from './save-if-unchanged.ts';

/**
 * Takes steps for this server's own pool in two statements, when it remembers all the jobs whose turn it is: one looks
 * which steps come first, one takes them. Null when there is more to it: then whoever locks the jobs first takes them, in
 * the same order.
 */
export async function claimRemembered(
  store: Store,
  requests: readonly ClaimRequest[],
  demand: Demand,
): Promise<Grants[] | null> {
  const { remembered } = store;
  if (!remembered || requests.some(({ remote }) => remote !== undefined)) return null;
  const [database, now] = [remembered.database(), remembered.now()];
  if (database === null || now === null) return null;
  const picked = await peekReadySteps(store.db, demand);
  if (picked.length === 0) return requests.map(() => ({ claims: [], more: false }));
  const drafts = new Map<string, JobDraft>();
  for (const id of new Set(picked.map(({ job_id }) => job_id))) {
    const known = remembered.take(id);
    if (known) drafts.set(id, draftOver(known.job, known.steps, now, database));
  }
  const isKnown = picked.every(({ job_id, ordinal }) => {
    const draft = drafts.get(job_id);
    return draft?.steps.get(ordinal)?.status === 'ready' && draft.job.deadline_at > draft.now;
  });
  if (!isKnown) {
    for (const { job, steps } of drafts.values()) remembered.keep({ job, steps }, database);
    return null;
  }
  const all = [...drafts.values()];
  const given = grantSteps(all, picked, requests);
  const saved = await saveIfUnchanged(store, all, { database, workers: [] });
  // Of those that were changed or locked meanwhile nothing is remembered any more: the next look, at once, locks first.
  const written = all.filter(({ job }) => saved.has(job.id));
  announce(store, written);
  return requests.map((request) => {
    const grants = given.get(request);
    const claims = (grants?.claims ?? []).filter(({ job_id }) => saved.has(job_id));
    addHandouts(written, claims);
    return { claims, more: grants?.more === true || claims.length < (grants?.claims.length ?? 0) };
  });
}
