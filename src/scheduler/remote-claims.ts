import { setTimeout } from 'node:timers/promises';
import type { Store } from '../database/store.ts';
import { AppError } from '../domain/errors.ts';
import type { Json } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import type { ClaimedStep } from '../operations/advance-jobs.ts';
import { termsOf } from '../operations/claim-request.ts';
import { handOutRemote, type RemoteHandout } from '../operations/hand-out.ts';
import { findGivenClaims, type RequestingWorker } from '../operations/see-workers.ts';
import type { StepAfter, StepOutcome } from '../operations/settle-steps.ts';
import { LONGEST_CHAIN, type RemoteTaker } from './hand-offs.ts';
import type { KnownWorkers } from './known-workers.ts';
import type { Ask, RemoteAsks } from './remote-asks.ts';
import type { Settler } from './settler.ts';

/** What a remote worker asks for; what is absent of `uses` and `queues` is as it was registered. */
export type RemoteRequest = Omit<Ask, 'uses' | 'queues'> & {
  uses: readonly string[] | null;
  queues: readonly string[] | null;
};

/** Steps handed to a remote worker, their `with` rendered, and what the worker is told. */
export interface Handed {
  handouts: (RemoteHandout & { with: Json })[];
  command: RequestingWorker['command'];
}

/** What remote workers do at this server besides keeping their claims. */
export interface RemoteClaims {
  /** Waits for claims. Throws `worker_not_found`, `too_many_waiting`. */
  claim(request: RemoteRequest): Promise<Handed>;
  /**
   * Writes outcomes, in one batch with those of everybody else, and answers after the commit: one result each, in
   * their order. `next` asks for claims as well: of the steps that become ready by it, else of the queue.
   */
  settle(
    outcomes: readonly StepOutcome[],
    next: RemoteRequest | null,
  ): Promise<{ results: (StepAfter | 'claim_lost')[]; handed: Handed | null }>;
  /** Takes note of what a worker is told from now on: its requests that wait here are answered. */
  tell(workerId: string, command: 'drain' | 'stop'): void;
}

// Whoever asks for more than this long while the database is away is told so; the outcome is kept and tried again.
const SETTLE_MS = 10_000;
const REST_MS = 1_000;

export function createRemoteClaims(options: {
  store: Store;
  settler: Settler;
  asks: RemoteAsks;
  known: KnownWorkers;
  /** Told how long each request for claims took. */
  onAnswered?: (ms: number) => void;
}): RemoteClaims {
  const { store, settler, asks, known } = options;

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
      // Whoever does not heed what it is told asks again and again; it need not do so as fast as it can.
      await rest(Math.min(request.waitMs, REST_MS), { signal: request.gone });
      return { handouts: [], command: worker.command };
    }
    const deadline = performance.now() + request.waitMs;
    const ask: Ask = {
      ...request,
      uses: request.uses ?? worker.uses,
      queues: request.queues ?? worker.queues,
    };
    let repeated = request.requestId === null;
    for (;;) {
      // One look first: only when it brings nothing is it worth asking whether this is a repeat.
      const waitMs = repeated ? Math.max(0, deadline - performance.now()) : 0;
      const end = await asks.wait({ ...ask, waitMs });
      if (end === 'drain' || end === 'stop') return { handouts: [], command: known.told(worker.id, end) };
      if (typeof end === 'object') {
        known.served(worker.id, !end.more);
        const handouts = await handOver(end.claims, ask.gone);
        if (handouts.length > 0) return { handouts, command: 'run' };
      } else {
        known.served(worker.id, true);
        if (request.requestId !== null && (end === 'served' || !repeated)) {
          const given = await findGivenClaims(store, worker.id, request.requestId);
          const handouts = await handOver(given, ask.gone);
          if (handouts.length > 0) return { handouts, command: 'run' };
        }
      }
      const over = repeated && performance.now() >= deadline;
      repeated = true;
      if (over || ask.gone.aborted || asks.haveEnded()) return { handouts: [], command: 'run' };
    }
  };

  /** Loads what goes out. A step whose `with` cannot be evaluated fails here; what nobody is left for is given back. */
  const handOver = async (
    claims: readonly { job_id: string; ordinal: number; claim_id: string; uses: string; attempt: number }[],
    gone: AbortSignal,
  ): Promise<Handed['handouts']> => {
    if (claims.length === 0) return [];
    const handouts: Handed['handouts'] = [];
    for (const { rendered, ...handout } of await handOutRemote(store, claims)) {
      const { job_id, ordinal, claim_id } = handout;
      const key = { job_id, ordinal, claim_id };
      if (gone.aborted) settler.push({ ...key, end: { kind: 'released' } });
      else if (rendered.ok) handouts.push({ ...handout, with: rendered.value });
      else settler.push({ ...key, end: { kind: 'failed', error: rendered.error, retryable: false } });
    }
    return gone.aborted ? [] : handouts;
  };

  const takerFor = async (next: RemoteRequest): Promise<RemoteTaker | null> => {
    const worker = await known.get(next.workerId);
    if (worker.command !== 'run' || !known.mayBeHanded(worker.id, LONGEST_CHAIN)) return null;
    const uses = new Set(next.uses ?? worker.uses);
    const queues = next.queues ?? worker.queues;
    const terms = termsOf({ ...next, remote: { requestId: next.requestId } });
    const claims: ClaimedStep[] = [];
    return {
      terms,
      claims,
      takes(step) {
        if (next.gone.aborted || claims.length >= next.max) return false;
        return uses.has(step.uses) && (queues === null || queues.includes(step.queue));
      },
    };
  };

  // What is sent again while it is being written is written once: with the database away, clients go on and on.
  const writing = new Map<string, Promise<StepAfter | 'claim_lost'>>();
  const push = (outcome: StepOutcome, taker: RemoteTaker | null) => {
    const name = `${outcome.claim_id} ${outcome.end.kind}`;
    const before = writing.get(name);
    if (before !== undefined) return before;
    const written = new Promise<StepAfter | 'claim_lost'>((done) => {
      settler.push(outcome, { taker, done });
    }).finally(() => writing.delete(name));
    writing.set(name, written);
    return written;
  };

  return {
    claim,
    tell(workerId, command) {
      known.told(workerId, command);
      asks.tell(workerId, command);
    },
    async settle(outcomes, next) {
      if (writing.size + outcomes.length > LIMITS.outcomesWaiting) throw tooMany();
      const taker = next === null || outcomes.length === 0 ? null : await takerFor(next);
      const results = await inTime(Promise.all(outcomes.map((outcome) => push(outcome, taker))));
      if (next === null) return { results, handed: null };
      const handouts = await handOver(taker?.claims ?? [], next.gone);
      // What was settled is settled, also when nobody is served here any more.
      if (handouts.length === 0 && asks.haveEnded()) return { results, handed: { handouts, command: 'run' } };
      if (handouts.length === 0) return { results, handed: await claim(next) };
      // Some of these outcomes came before: then claims of the same request may have been given before, too.
      const repeat = next.requestId !== null && results.includes('claim_lost');
      if (!repeat) return { results, handed: { handouts, command: 'run' } };
      const given = await findGivenClaims(store, next.workerId, next.requestId as string);
      return { results, handed: { handouts: await handOver(given, next.gone), command: 'run' } };
    },
  };
}

function tooMany(): AppError {
  const detail = `${LIMITS.outcomesWaiting} outcomes wait here to be written; send these again in a second`;
  return new AppError('too_many_waiting', detail);
}

async function rest(ms: number, options: { signal: AbortSignal }): Promise<void> {
  // Who has left rests no longer.
  await setTimeout(ms, undefined, options).catch(() => {});
}

async function inTime<Result>(promise: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = globalThis.setTimeout(() => {
      const detail =
        'the database does not take the outcome now; it is kept and tried again, and sending it again is harmless';
      reject(new AppError('database_unavailable', detail));
    }, SETTLE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
