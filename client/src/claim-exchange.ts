import { HoldfastError } from './errors.ts';
import type { HeldClaim, HeldClaims } from './held-claims.ts';
import { newKey } from './job-calls.ts';
import { invalidOutput, type Outcome } from './step-outcome.ts';
import { backoff, sleep, soon } from './timing.ts';
import type { Transport } from './transport.ts';
import type { Claim, ClaimList, SettledClaimList } from './wire.ts';
import type { WorkerEvent } from './worker-options.ts';

/** How long a request waits for a step; proxies give up after a minute. */
const WAIT_MS = 20_000;
/** What one request may ask for, settle, or carry. */
const CLAIMS_PER_REQUEST = 1_000;
const REQUEST_LENGTH = 8 * 1024 * 1024;
/** Settles in flight: so that one that has to wait for a busy job does not keep all others waiting. */
const IN_FLIGHT = 4;
/** While one is in flight, outcomes wait so long for others to go with. */
const GATHER_MS = 15;

export interface ExchangeOptions {
  transport: Transport;
  held: HeldClaims;
  /** The id of the worker as it is now. */
  workerId(): string;
  /** Registers again when the server does not know that worker any more. */
  registerAgain(unknownId: string): Promise<void>;
  ttlMs: number | undefined;
  /** How many more steps there is room for, those that are asked for already included. */
  room(): number;
  /** Takes claims that were granted; `since`: from when their times count, by `performance.now()`. */
  onClaims(claims: readonly Claim[], since: number): void;
  onCommand(command: ClaimList['command']): void;
  emit(event: WorkerEvent): void;
  /** Milliseconds for which this process stood still just now. */
  stoodStill(): number;
}

export interface Exchange {
  /** Sends how an attempt ended, with others that end about then, and asks for the next steps in the same call. */
  settle(held: HeldClaim, outcome: Outcome): void;
  /** Asks for steps when there is room. */
  claim(): void;
  /** Asks for no more steps. */
  stopClaiming(): void;
  /** Whether a request waits for steps. */
  isWaiting(): boolean;
  /** Gives that request up. */
  cutWait(): void;
  /** Whether nothing is left to be sent or waited for. */
  isIdle(): boolean;
}

interface Item {
  held: HeldClaim;
  outcome: Outcome;
}

/** What a worker says to the server about its steps: settled ones out, claimed ones in. */
export function createExchange(options: ExchangeOptions): Exchange {
  const { transport, held: claims, emit, workerId } = options;
  const cut = new AbortController();
  let outcomes: Item[] = [];
  let oldestAt = 0;
  let inFlight = 0;
  let asked = 0;
  let waiting = false;
  let claiming = true;
  let scheduled = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const wanted = () => (claiming ? Math.min(CLAIMS_PER_REQUEST, Math.max(0, options.room() - asked)) : 0);

  function settle(held: HeldClaim, outcome: Outcome): void {
    if (held.state === 'over') return;
    held.state = 'settling';
    if (outcomes.length === 0) oldestAt = performance.now();
    outcomes.push({ held, outcome });
    schedule();
  }

  /** After all that happens in this turn, so that steps that end together are sent together. */
  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    soon(() => {
      scheduled = false;
      send();
    });
  }

  function send(): void {
    clearTimeout(timer);
    while (outcomes.length > 0 && inFlight < IN_FLIGHT) {
      const age = performance.now() - oldestAt;
      if (inFlight > 0 && outcomes.length < CLAIMS_PER_REQUEST && age < GATHER_MS) {
        timer = setTimeout(send, GATHER_MS - age);
        return;
      }
      void exchange(take());
    }
    if (outcomes.length === 0) void waitForSteps();
  }

  function take(): Item[] {
    let length = 0;
    const fits = outcomes.findIndex(({ outcome }, index) => {
      length += outcome.fields.length;
      return index === CLAIMS_PER_REQUEST || (index > 0 && length > REQUEST_LENGTH);
    });
    const batch = fits === -1 ? outcomes : outcomes.slice(0, fits);
    outcomes = fits === -1 ? [] : outcomes.slice(fits);
    return batch;
  }

  async function exchange(batch: Item[]): Promise<void> {
    inFlight += 1;
    const max = wanted();
    asked += max;
    try {
      await settleBatch(batch, max);
    } finally {
      inFlight -= 1;
      asked -= max;
      schedule();
    }
  }

  async function settleBatch(given: Item[], max: number): Promise<void> {
    // Nothing is written for a claim that must be assumed lost.
    const batch = given.filter(({ held }) => claims.isValid(held));
    if (batch.length === 0) return;
    const worker_id = workerId();
    const next = max === 0 ? undefined : claimFields(worker_id, max);
    const sentAt = performance.now();
    const left = Math.max(...batch.map(({ held }) => held.expiresAt)) - sentAt;
    const call = { method: 'POST', path: '/v1/claims/settle', body: writeBatch(batch, next) } as const;
    const headers = { 'content-type': 'application/json' };
    try {
      const timeoutMs = Math.min(30_000, Math.max(1_000, left / 2));
      const answer = await transport.send({
        ...{ ...call, headers, repeatable: true },
        ...{ timeoutMs, patienceMs: left },
      });
      const { data, claims: granted, command } = answer.json<SettledClaimList>();
      data.forEach((one, index) => {
        readItem(batch[index] as Item, one);
      });
      if (command !== null) options.onCommand(command);
      options.onClaims(granted, sentAt);
    } catch (error) {
      await onRefusal(batch, max, worker_id, error);
    }
  }

  function readItem(item: Item, answer: SettledClaimList['data'][number]): void {
    const { held, outcome } = item;
    const { claim } = held;
    if (answer.status === 422) {
      refuse(item, answer.detail ?? 'the outcome was refused');
      return;
    }
    claims.settled(held);
    if (answer.status === 200) {
      emit({ level: 'debug', event: 'settled', message: `${claim.step}: ${answer.outcome}`, claim });
      return;
    }
    const message = `${claim.step}: the ${outcome.kind} outcome was refused: ${answer.detail ?? answer.code}`;
    emit({ level: 'warn', event: 'refused', message, claim });
  }

  /** What the server cannot keep fails the step, once; what it will not take even so is let go, to expire. */
  function refuse({ held, outcome }: Item, detail: string): void {
    const { claim } = held;
    emit({ level: 'error', event: 'refused', message: `${claim.step}: ${detail}`, claim });
    const failure = invalidOutput(detail);
    if (outcome.kind === 'succeeded') settle(held, failure);
    else claims.end(held, 'lost');
  }

  async function onRefusal(batch: Item[], max: number, unknownId: string, error: unknown): Promise<void> {
    if (!(error instanceof HoldfastError)) {
      // It was tried until the last of these claims had to be assumed lost.
      for (const { held } of batch) claims.isValid(held);
      for (const { held } of batch) claims.end(held, 'expired');
    } else if (error.code === 'worker_not_found') {
      await options.registerAgain(unknownId);
      await settleBatch(batch, max);
    } else if (![400, 413, 422].includes(error.status)) {
      // Not what was sent is at fault.
      await sleep(backoff(3));
      await settleBatch(batch, max);
    } else if (batch.length > 1) {
      // One of them is refused as a whole: halved until that one is alone.
      const half = batch.length >> 1;
      await settleBatch(batch.slice(0, half), 0);
      await settleBatch(batch.slice(half), max);
    } else {
      refuse(batch[0] as Item, error.detail);
    }
  }

  /** The long request: one at a time, for whatever room the settles do not ask for. */
  async function waitForSteps(): Promise<void> {
    const max = wanted();
    if (waiting || max === 0) return;
    waiting = true;
    asked += max;
    try {
      await askForSteps(max);
    } catch (error) {
      if (!cut.signal.aborted) emit({ level: 'error', event: 'claim', message: String(error), error });
    } finally {
      waiting = false;
      asked -= max;
      schedule();
    }
  }

  async function askForSteps(max: number): Promise<void> {
    const worker_id = workerId();
    const body = { ...claimFields(worker_id, max), wait: `${WAIT_MS}ms` };
    const call = { method: 'POST', path: '/v1/claims', body, repeatable: true } as const;
    try {
      const limits = { waitMs: WAIT_MS, patienceMs: Infinity, signal: cut.signal };
      const answer = (await transport.send({ ...call, ...limits })).json<ClaimList>();
      options.onCommand(answer.command);
      // The answer may have come while this process stood still.
      options.onClaims(answer.data, performance.now() - options.stoodStill());
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      if (error.code === 'worker_not_found') {
        await options.registerAgain(worker_id);
        return;
      }
      emit({ level: 'error', event: 'refused', message: `no steps: ${error.detail}`, error });
      await sleep(backoff(5), cut.signal);
    }
  }

  function claimFields(worker_id: string, max: number) {
    const ttl = options.ttlMs === undefined ? {} : { ttl: `${options.ttlMs}ms` };
    return { worker_id, request_id: newKey(), max, ...ttl };
  }

  return {
    settle,
    claim: schedule,
    stopClaiming: () => {
      claiming = false;
    },
    isWaiting: () => waiting,
    cutWait: () => cut.abort(),
    isIdle: () => outcomes.length === 0 && inFlight === 0 && !waiting && !scheduled,
  };
}

function writeBatch(batch: readonly Item[], next: object | undefined): string {
  const items = batch.map(({ held, outcome }) => `{"id":${JSON.stringify(held.claim.id)},${outcome.fields}}`);
  return `{"outcomes":[${items.join()}]${next === undefined ? '' : `,"claim":${JSON.stringify(next)}`}}`;
}
