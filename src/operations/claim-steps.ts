import { sqlState } from '../database/sql-state.ts';
import type { Store, Tx } from '../database/store.ts';
import { setLockTimeout } from '../database/transaction.ts';
import { type JobDraft, openDraft } from '../domain/moves/draft.ts';
import {
  type Demand,
  findLanes,
  type Lane,
  lockClaimableJobs,
  lockFartherJobs,
  narrowLanes,
  pickReadySteps,
  type Wanted,
} from '../repositories/find-claimable.ts';
import { loadWholeJobs } from '../repositories/load-steps.ts';
import type { LockedJob } from '../repositories/lock-jobs.ts';
import { saveDrafts } from '../repositories/save-drafts.ts';
import { addLoaded, announce } from './advance-jobs.ts';
import { claimRemembered } from './claim-remembered.ts';
import type { ClaimRequest } from './claim-request.ts';
import { type Grants, grantSteps } from './grant-steps.ts';
import { lockRemoteTakers } from './lock-takers.ts';
import { worthReading } from './remember-drafts.ts';
import { addHandouts } from './remembered-handouts.ts';

const LOCK_WAIT_MS = 200;

const NOTHING: Grants = { claims: [], more: false };

/**
 * Takes ready steps for workers, best first, each step for the one that has got the fewest so far. First the jobs are
 * locked, then the steps are picked from them by a statement that sees what earlier claimers left. Jobs that are busy
 * are passed over; only when nothing else is near does it wait for them, at most 200 ms, and then looks farther.
 * Returns one result a request, in their order; empty when there is nothing to take.
 */
export async function claimSteps(store: Store, requests: readonly ClaimRequest[]): Promise<Grants[]> {
  try {
    return await claimFrom(store, requests, 'near');
  } catch (error) {
    // Everything in front is stuck: that must not keep from us what lies behind it.
    if (sqlState(error) === '55P03') return claimFrom(store, requests, 'far');
    throw error;
  }
}

async function claimFrom(
  store: Store,
  requests: readonly ClaimRequest[],
  reach: 'near' | 'far',
): Promise<Grants[]> {
  const demand = demandOf(requests);
  const grants = reach === 'near' ? await claimRemembered(store, requests, demand) : null;
  if (grants !== null) return grants;
  const found = await findLanes(store.db, demand);
  if (found.length === 0) return requests.map(() => NOTHING);
  const lanes = reach === 'near' ? await narrowLanes(store.db, found, demand) : found;
  const taken = await store.db.transaction().execute(async (tx) => {
    const locked = await (reach === 'near' ? lockSomeJobs(tx, lanes) : lockFartherJobs(tx, lanes));
    // A job past its deadline is about to end; nothing of it starts any more.
    const drafts = locked
      .filter(({ job, now }) => job.deadline_at > now)
      .map(({ job, now, database }) => openDraft(job, [], now, database));
    if (drafts.length === 0) return { grants: requests.map(() => NOTHING), drafts };
    await loadToRemember(store, tx, drafts);
    const picked = await pickReadySteps(
      tx,
      lanes,
      drafts.map((draft) => draft.job.id),
      reach,
    );
    const absent = picked.length === 0 ? new Map() : await lockRemoteTakers(tx, requests);
    addLoaded(drafts, picked);
    const present = requests.filter((request) => !absent.has(request));
    const given = grantSteps(drafts, picked, present);
    await saveDrafts(tx, drafts);
    return {
      grants: requests.map((request) => absent.get(request) ?? given.get(request) ?? NOTHING),
      drafts,
    };
  });
  announce(store, taken.drafts);
  for (const given of taken.grants) if (typeof given === 'object') addHandouts(taken.drafts, given.claims);
  return taken.grants;
}

/** What all of them want together: a thousand workers of one program want the same. */
function demandOf(requests: readonly ClaimRequest[]): Demand {
  const wanted = new Map<string, Wanted>();
  let total = 0;
  for (const { uses, queues, remote, room } of requests) {
    // One more than a remote worker may get shows whether its next steps may go from hand to hand.
    const more = remote === undefined ? 0 : 1;
    total += (room ?? uses.reduce((sum, { max }) => sum + max, 0)) + more;
    for (const one of uses) {
      const max = one.max + more;
      for (const queue of queues ?? [null]) {
        const name = `${one.uses} ${queue ?? ''}`;
        const others = wanted.get(name);
        if (others) others.max += max;
        else wanted.set(name, { uses: one.uses, max, queue });
      }
    }
  }
  return { wanted: [...wanted.values()], total };
}

async function lockSomeJobs(tx: Tx, lanes: readonly Lane[]): Promise<LockedJob[]> {
  const free = await lockClaimableJobs(tx, lanes, 'skip');
  if (free.length > 0) return free;
  await setLockTimeout(tx, LOCK_WAIT_MS);
  return lockClaimableJobs(tx, lanes, 'wait');
}

/** Small jobs are loaded whole where they are not known: whatever comes next of them then needs no look. */
async function loadToRemember(store: Store, tx: Tx, drafts: readonly JobDraft[]): Promise<void> {
  const { remembered } = store;
  if (!remembered) return;
  const unknown = worthReading(
    drafts.filter(({ job }) => remembered.look(job.id)?.job.version !== job.version),
  );
  if (unknown.length === 0) return;
  const steps = await loadWholeJobs(
    tx,
    unknown.map(({ job }) => job.id),
  );
  addLoaded(unknown, steps);
}
