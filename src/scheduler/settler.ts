import type { Logger } from 'pino';
import { passesByItself } from '../database/sql-state.ts';
import type { Store } from '../database/store.ts';
import { jsonBytes } from '../domain/storable.ts';
import type { ClaimedStep } from '../operations/advance-jobs.ts';
import { type SettleResult, settleSteps } from '../operations/settle-steps.ts';
import type { StepAfter, StepOutcome } from '../operations/step-outcome.ts';
import type { Offer, RemoteTaker } from './hand-offs.ts';

// The larger the batch, the less a step costs; what it holds must stay easy to send.
const BATCH = 1000;
const BATCH_BYTES = 16 * 1024 * 1024;
const IN_FLIGHT = 2;
const BUSY_RETRY_MS = 5;
const BUSY_TRIES = 5;
const BUSY_MS = 100;
// Each waits on a connection of its own; stuck jobs must not take them all.
const MOST_WAITERS = 3;
const ERROR_TRIES = 20;
// A lost connection fails a batch two or three times; what goes on failing may be the fault of one job in it.
const ERRORS_TOGETHER = 3;

/** What a remote worker wants with its outcome: steps in return, and to know what came of it. */
export interface Remote {
  taker: RemoteTaker | null;
  done(after: StepAfter | 'claim_lost'): void;
}

/** Collects outcomes and writes them in batches: group commit, with no delay when idle. */
export interface Settler {
  push(outcome: StepOutcome, remote?: Remote): void;
  /** Resolves when nothing is left to write. */
  idle(): Promise<void>;
}

interface Entry {
  outcome: StepOutcome;
  remote: Remote | undefined;
  since: number;
  busy: number;
  errors: number;
  /** Of its output, as JSON. */
  bytes: number;
  /** Its job was not remembered when others were: it goes with its like. */
  unread: boolean;
  /** Its job shares no batch: one that cannot be written must not keep others from being written. */
  alone: boolean;
}

function fits(entry: Entry, first: Entry | undefined): boolean {
  if (first !== undefined && entry.unread !== first.unread) return false;
  if (first === undefined || !(entry.alone || first.alone)) return true;
  return entry.outcome.job_id === first.outcome.job_id;
}

function takersOf(batch: readonly Entry[]): RemoteTaker[] {
  const takers = batch.flatMap(({ remote }) => (remote?.taker ? [remote.taker] : []));
  return [...new Set(takers)];
}

/**
 * `onSettled` is told of each outcome after its commit (or refusal); `offer` makes the hand-off for a batch, and
 * `onHandedOff` gets what it took, once committed or when that is not known. An outcome is kept and tried again while
 * the database is away: its claim decides in the end.
 */
export function createSettler(options: {
  store: Store;
  log: Logger;
  offer: (outcomes: readonly StepOutcome[], takers: readonly RemoteTaker[]) => Offer;
  onSettled: (outcome: StepOutcome, result: Exclude<SettleResult, 'busy' | 'unread'>) => void;
  onHandedOff: (claims: ClaimedStep[]) => void;
  /** Told of the size of each batch. */
  onBatch?: (size: number) => void;
}): Settler {
  const { store, log } = options;
  let waiting: Entry[] = [];
  let scheduled = false;
  let inFlight = 0;
  let waiters = 0;
  let delayed = 0;
  // Two batches never share a job: the second would only find it locked.
  const jobsInFlight = new Set<string>();
  let idlers: (() => void)[] = [];

  const nextBatch = (): Entry[] => {
    const batch: Entry[] = [];
    const rest: Entry[] = [];
    let bytes = 0;
    for (const entry of waiting) {
      const isFull = batch.length >= BATCH || (batch.length > 0 && bytes + entry.bytes > BATCH_BYTES);
      if (isFull || jobsInFlight.has(entry.outcome.job_id) || !fits(entry, batch[0])) rest.push(entry);
      else {
        batch.push(entry);
        bytes += entry.bytes;
      }
    }
    waiting = rest;
    return batch;
  };

  const start = () => {
    scheduled = false;
    while (inFlight < IN_FLIGHT && waiting.length > 0) {
      const batch = nextBatch();
      if (batch.length === 0) return;
      void settle(batch, 'skip');
    }
    if (waiting.length + inFlight + waiters + delayed === 0) {
      for (const resolve of idlers) resolve();
      idlers = [];
    }
  };

  const settle = async (batch: Entry[], mode: 'skip' | 'wait') => {
    // A stuck job is waited for on a connection of its own, beside the batches; its waiter is counted already.
    if (mode === 'skip') inFlight += 1;
    const jobs = new Set(batch.map((entry) => entry.outcome.job_id));
    for (const job of jobs) jobsInFlight.add(job);
    const outcomes = batch.map((entry) => entry.outcome);
    const offer = options.offer(outcomes, takersOf(batch));
    try {
      options.onBatch?.(batch.length);
      const { results, after, claims } = await settleSteps(store, outcomes, {
        ...{ mode, handOff: offer.handOff, partly: true },
      });
      const busy: Entry[] = [];
      results.forEach((result, index) => {
        const entry = batch[index] as Entry;
        if (result === 'busy') busy.push(entry);
        else if (result === 'unread') waiting.push(Object.assign(entry, { unread: true }));
        else settled(entry, result, after[index]);
      });
      if (busy.length > 0) tryBusyAgain(busy);
      const mine = new Set(offer.granted());
      const handedOff = claims.filter((claim) => mine.has(claim));
      if (handedOff.length > 0) options.onHandedOff(handedOff);
    } catch (error) {
      // The answer may have got lost after the commit; what was taken then is ours. Whoever starts it will see.
      if (offer.granted().length > 0) options.onHandedOff(offer.granted());
      tryFailedAgain(batch, error);
    } finally {
      offer.end();
      for (const job of jobs) jobsInFlight.delete(job);
      if (mode === 'skip') inFlight -= 1;
      else waiters -= 1;
      start();
    }
  };

  const settled = (
    { outcome, remote }: Entry,
    result: 'settled' | 'claim_lost',
    after?: StepAfter | null,
  ) => {
    options.onSettled(outcome, result);
    remote?.done(after ?? 'claim_lost');
  };

  const later = (entries: Entry[], ms: number, then: (entries: Entry[]) => void) => {
    delayed += 1;
    setTimeout(() => {
      delayed -= 1;
      then(entries);
      start();
    }, ms);
  };

  // The outcomes of one locked job stay together: alone, each would wait for the same lock in turn.
  const tryBusyAgain = (busy: Entry[]) => {
    for (const entry of busy) entry.busy += 1;
    for (const entries of Map.groupBy(busy, (entry) => entry.outcome.job_id).values()) {
      const stuck = entries.some(
        (entry) => entry.busy >= BUSY_TRIES || performance.now() - entry.since >= BUSY_MS,
      );
      if (stuck && waiters < MOST_WAITERS) {
        waiters += 1;
        later(entries, 0, (kept) => void settle(kept, 'wait'));
      } else {
        const tries = Math.max(...entries.map((entry) => entry.busy));
        later(entries, BUSY_RETRY_MS * Math.min(tries, BUSY_MS / BUSY_RETRY_MS), (kept) =>
          waiting.push(...kept),
        );
      }
    }
  };

  const tryFailedAgain = (batch: Entry[], error: unknown) => {
    // What does not pass may be ours.
    const passing = passesByItself(error);
    const level = passing ? 'warn' : 'error';
    log[level](
      { err: error, outcomes: batch.length },
      'could not write outcomes; they are kept and tried again',
    );
    const kept = batch.filter((entry) => passing || entry.errors < ERROR_TRIES);
    for (const entry of batch) {
      entry.errors += 1;
      entry.alone = !passing || entry.errors >= ERRORS_TOGETHER;
    }
    for (const entry of batch) if (!kept.includes(entry)) settled(entry, 'claim_lost');
    const tries = Math.min(...batch.map((entry) => entry.errors));
    later(kept, Math.min(2000, 50 * 2 ** tries) * (0.5 + Math.random() / 2), (entries) =>
      waiting.push(...entries),
    );
  };

  return {
    push(outcome, remote) {
      const { end } = outcome;
      const bytes = end.kind === 'succeeded' && end.output !== null ? jsonBytes(end.output) : 0;
      waiting.push({
        outcome,
        remote,
        since: performance.now(),
        busy: 0,
        errors: 0,
        alone: false,
        unread: false,
        bytes,
      });
      // Outcomes that end in the same turn of the event loop share a batch.
      if (!scheduled) setImmediate(start);
      scheduled = true;
    },
    idle() {
      if (waiting.length + inFlight + waiters + delayed === 0) return Promise.resolve();
      return new Promise((resolve) => idlers.push(resolve));
    },
  };
}
