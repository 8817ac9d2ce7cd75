import { setTimeout } from 'node:timers/promises';
import type { Store } from '../database/store.ts';
import type { ClaimKey } from '../domain/claim-id.ts';
import { AppError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import type { AttemptEnd } from '../domain/moves/end-attempt.ts';
import { jsonBytes } from '../domain/storable.ts';
import type { ClaimedStep } from '../operations/advance-jobs.ts';
import { noSuchWorker } from '../operations/change-worker.ts';
import { termsOf } from '../operations/claim-request.ts';
import { handOutRemote } from '../operations/hand-out.ts';
import type { Handed, RemoteDesk, RemoteRequest } from '../operations/remote-desk.ts';
import { findGivenClaims } from '../operations/see-workers.ts';
import type { StepOutcome } from '../operations/step-outcome.ts';
import { LONGEST_CHAIN, type RemoteTaker } from './hand-offs.ts';
import type { KnownWorkers } from './known-workers.ts';
import type { Ask, RemoteAsks } from './remote-asks.ts';
import { createRemoteOutcomes } from './remote-outcomes.ts';
import type { Settler } from './settler.ts';

const REST_MS = 1_000;

/** Serves remote workers by the desk, in everything but keeping their claims. */
export function createRemoteClaims(options: {
  store: Store;
  settler: Settler;
  asks: RemoteAsks;
  known: KnownWorkers;
  /** How long whoever sends outcomes waits for their commit before it is told that they are kept; 10 s when absent. */
  patienceMs?: number | undefined;
  /** Told how long each request for claims took. */
  onAnswered?: (ms: number) => void;
}): RemoteDesk {
  const { store, settler, asks, known } = options;
  const outcomes = createRemoteOutcomes(settler, options.patienceMs);

  const claim = async (request: RemoteRequest): Promise<Handed> => {
    const since = performance.now();
    try {
      return await claimFor(request);
    } finally {
      options.onAnswered?.(performance.now() - since);
    }
  };

  const claimFor = async (request: RemoteRequest): Promise<Handed> => {
    if (asks.haveEnded()) {
      throw new AppError('shutting_down', 'this server is shutting down; ask again, or ask another one');
    }
    const worker = await known.get(request.workerId);
    if (worker.command !== 'run') {
      const told = await leave(request, worker.command);
      // Whoever does not heed what it is told asks again and again; it need not do so as fast as it can.
      if (told.handouts.length === 0) await rest(Math.min(request.waitMs, REST_MS), { signal: request.gone });
      return told;
    }
    const deadline = performance.now() + request.waitMs;
    const ask: Ask = {
      ...request,
      uses: request.uses ?? worker.uses,
      queues: request.queues ?? worker.queues,
    };
    // One look first: only when it brings nothing is it worth asking whether this is a repeat.
    for (let waitMs = request.requestId === null ? request.waitMs : 0; ; ) {
      const end = await asks.wait({ ...ask, waitMs });
      if (end === 'unknown') throw noSuchWorker(worker.id);
      if (end === 'drain' || end === 'stop') return leave(request, known.told(worker.id, end));
      if (end !== 'served') known.served(worker.id, end === 'nothing' || !end.more);
      // Also at the end of a wait: meanwhile another copy of the request may have been given something elsewhere.
      const claims = typeof end === 'object' ? end.claims : await givenTo(request);
      const handouts = await handOver(claims, request);
      waitMs = deadline - performance.now();
      const over = waitMs <= 0 || request.gone.aborted || asks.haveEnded();
      if (handouts.length > 0 || over) return { handouts, command: 'run' };
    }
  };

  /** A worker that is drained may end what it holds, and so is given again what a request gave it before. */
  const leave = async (request: RemoteRequest, command: 'drain' | 'stop'): Promise<Handed> => {
    const claims = command === 'drain' ? await givenTo(request) : [];
    return { handouts: await handOver(claims, request), command };
  };

  /** What a copy of the request was given before, as far as it still runs. */
  const givenTo = async ({ workerId, requestId }: RemoteRequest): Promise<readonly ClaimedStep[]> =>
    requestId === null ? [] : findGivenClaims(store, workerId, requestId);

  const giveBack = (claims: readonly ClaimKey[]) => {
    for (const { job_id, ordinal, claim_id } of claims)
      settler.push({ job_id, ordinal, claim_id, end: { kind: 'released' } });
  };

  /** Loads what goes out. A step whose `with` cannot be evaluated fails here. */
  const handOver = async (
    claims: readonly ClaimKey[],
    { requestId, gone }: RemoteRequest,
  ): Promise<Handed['handouts']> => {
    if (claims.length === 0) return [];
    const { loaded, left } = await loadSome(store, claims);
    // A copy of the request finds the same to be too much, and gives the same back.
    giveBack(left);
    if (gone.aborted) {
      // Whoever asks again under the id of the request is given it, perhaps at this moment by another server.
      if (requestId === null) giveBack(loaded);
      return [];
    }
    const handouts: Handed['handouts'] = [];
    const failed: StepOutcome[] = [];
    for (const { rendered, ...handout } of loaded) {
      const { job_id, ordinal, claim_id } = handout;
      if (rendered.ok) handouts.push({ ...handout, with: rendered.value });
      else {
        const end: AttemptEnd = { kind: 'failed', error: rendered.error, retryable: false };
        failed.push({ job_id, ordinal, claim_id, end });
      }
    }
    const written = outcomes.write(failed, null);
    // Until then the request would be found to have been given claims, again and again.
    if (handouts.length === 0) await written;
    else written.catch(() => {});
    return handouts;
  };

  const takerFor = async (next: RemoteRequest): Promise<RemoteTaker | null> => {
    const worker = await known.get(next.workerId);
    if (worker.command !== 'run' || !known.mayBeHanded(worker.id, LONGEST_CHAIN)) return null;
    const uses = new Set(next.uses ?? worker.uses);
    const queues = next.queues ?? worker.queues;
    const taker: RemoteTaker = {
      terms: termsOf({ ...next, remote: { requestId: next.requestId } }),
      claims: [],
      open: true,
      takes(step) {
        if (!taker.open || next.gone.aborted || taker.claims.length >= next.max) return false;
        return uses.has(step.uses) && (queues === null || queues.includes(step.queue));
      },
    };
    return taker;
  };

  return {
    claim,
    tell(workerId, command) {
      known.told(workerId, command);
      asks.tell(workerId, command);
    },
    async settle(ended, next) {
      outcomes.makeRoom(ended);
      const taker = next === null || ended.length === 0 ? null : await takerFor(next);
      const results = await outcomes.write(ended, taker).catch((error) => {
        if (taker) taker.open = false;
        if (next?.requestId === null) giveBack(taker?.claims ?? []);
        throw error;
      });
      if (next === null) return { results, handed: null };
      // Some of these outcomes came before: then claims of the same request may have been given before, too.
      const repeated = next.requestId !== null && results.includes('claim_lost');
      const handouts = await handOver(repeated ? await givenTo(next) : (taker?.claims ?? []), next);
      // What was settled is settled, also when nobody is served here any more.
      const isServed = handouts.length > 0 || asks.haveEnded();
      return { results, handed: isServed ? { handouts, command: 'run' } : null };
    },
  };
}

// Loaded at once: as many of the largest as make up an answer.
const LOADED = Math.ceil(LIMITS.claimAnswerBytes / LIMITS.valueBytes);

/**
 * Loads claims as far as their `with`s go into one answer; what does not is `left`. At least one always does. Which ones
 * do depends on no order but that of their steps: copies of a request get the same claims, in different orders.
 */
async function loadSome(store: Store, granted: readonly ClaimKey[]) {
  const claims = [...granted].sort(byStep);
  const place = new Map(granted.map(({ claim_id }, index) => [claim_id, index]));
  const placeOf = ({ claim_id }: ClaimKey) => place.get(claim_id) ?? 0;
  const inOrder = () => loaded.sort((one, other) => placeOf(one) - placeOf(other));
  const loaded: Awaited<ReturnType<typeof handOutRemote>> = [];
  let bytes = 0;
  for (let from = 0; from < claims.length; from += LOADED) {
    const some = await handOutRemote(store, claims.slice(from, from + LOADED));
    for (const [index, handout] of some.entries()) {
      if (handout.rendered.ok) bytes += jsonBytes(handout.rendered.value);
      if (bytes > LIMITS.claimAnswerBytes && loaded.length > 0) {
        return { loaded: inOrder(), left: [...some.slice(index), ...claims.slice(from + LOADED)] };
      }
      loaded.push(handout);
    }
  }
  return { loaded: inOrder(), left: [] };
}

function byStep(one: ClaimKey, other: ClaimKey): number {
  if (one.job_id === other.job_id) return one.ordinal - other.ordinal;
  return one.job_id < other.job_id ? -1 : 1;
}

async function rest(ms: number, options: { signal: AbortSignal }): Promise<void> {
  // Who has left rests no longer.
  await setTimeout(ms, undefined, options).catch(() => {});
}
