import type { RememberedJob, RememberedJobs } from '../database/remembered-jobs.ts';
import type { Store } from '../database/store.ts';
import { draftOver, type JobDraft } from '../domain/moves/draft.ts';
import { type Demand, peekReadySteps } from '../repositories/find-claimable.ts';
import type { StepKey } from '../repositories/load-steps.ts';
import { announce } from './advance-jobs.ts';
import type { ClaimRequest } from './claim-request.ts';
import { type Grants, grantSteps } from './grant-steps.ts';
import { addHandouts } from './remembered-handouts.ts';
import { saveIfUnchanged } from './save-if-unchanged.ts';

// How long a change of the same job by this server is waited for.
const PATIENCE_MS = 100;

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
  const database = remembered?.database() ?? null;
  if (!remembered || database === null || requests.some(({ remote }) => remote !== undefined)) return null;
  const picked = await peekReadySteps(store.db, demand);
  if (picked.length === 0) return requests.map(() => ({ claims: [], more: false }));
  const ids = [...new Set(picked.map(({ job_id }) => job_id))];
  await untilBack(remembered, ids);
  const isReady = ({ job_id, ordinal }: StepKey) =>
    remembered.look(job_id)?.steps.get(ordinal)?.status === 'ready';
  const now = remembered.now();
  if (now === null || !picked.every(isReady)) return null;
  const drafts = ids.map((id) => {
    const { job, steps } = remembered.take(id) as RememberedJob;
    return draftOver(job, steps, now, database);
  });
  try {
    return await take(store, drafts, picked, requests, database);
  } finally {
    remembered.back(ids);
  }
}

async function untilBack(remembered: RememberedJobs, ids: readonly string[]): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  while (ids.some((id) => remembered.isLent(id))) {
    const left = until - performance.now();
    if (left <= 0) return;
    await remembered.somethingBack(left);
  }
}

async function take(
  store: Store,
  drafts: readonly JobDraft[],
  picked: readonly StepKey[],
  requests: readonly ClaimRequest[],
  database: string,
): Promise<Grants[]> {
  // Of a job past its deadline, which is about to end, nothing starts any more.
  const open = drafts.filter(({ job, now }) => job.deadline_at > now);
  const given = grantSteps(open, picked, requests);
  const saved = await saveIfUnchanged(store, open, { database, workers: [] });
  // Of those that were changed or locked meanwhile nothing is remembered any more: the next look, at once, locks first.
  const written = open.filter(({ job }) => saved.has(job.id));
  for (const { job, steps, before } of drafts)
    if (before.size === 0) store.remembered?.keep({ job, steps }, database);
  announce(store, written);
  return requests.map((request) => {
    const grants = given.get(request);
    const claims = (grants?.claims ?? []).filter(({ job_id }) => saved.has(job_id));
    addHandouts(written, claims);
    return { claims, more: grants?.more === true || claims.length < (grants?.claims.length ?? 0) };
  });
}
