import type { HoldfastError } from './errors.ts';
import type { HeldClaim } from './held-claims.ts';
import { type ClaimTalk, claimFields, type Ending, settleEndings } from './settle-calls.ts';
import type { Outcome } from './step-outcome.ts';
import { backoff, sleep, soon } from './timing.ts';
import { LONGEST_ASKED_MS } from './transport.ts';
import type { ClaimList } from './wire.ts';

/** How long a request waits for a step; proxies give up after a minute. */
const WAIT_MS = 20_000;
/** What one request may ask for, settle, or carry. */
const CLAIMS_PER_REQUEST = 1_000;
const REQUEST_LENGTH = 8 * 1024 * 1024;
/** Settles in flight: so that one that has to wait for a busy job does not keep all others waiting. */
const IN_FLIGHT = 4;
/** While one is in flight, outcomes wait so long for others to go with. */
const GATHER_MS = 15;

export interface ExchangeOptions extends ClaimTalk {
  /** How many more steps there is room for. */
  room(): number;
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

/**
 * What a worker says to the server about its steps: settled ones out, claimed ones in. Each settle asks for as many
 * steps as there is room for; what that does not fill is waited for by one long request.
 */
export function createExchange(options: ExchangeOptions): Exchange {
  const cut = new AbortController();
  let endings: Ending[] = [];
  let oldestAt = 0;
  let inFlight = 0;
  /** Claims that requests in flight may bring. */
  let asked = 0;
  let waiting = false;
  /** Answers in a row to the long request that were none that it hoped for. */
  let refusals = 0;
  let claiming = true;
  let scheduled = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function settle(held: HeldClaim, outcome: Outcome): void {
    if (held.state === 'over') return;
    held.state = 'settling';
    if (endings.length === 0) oldestAt = performance.now();
    endings.push({ held, outcome });
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
    while (endings.length > 0 && inFlight < IN_FLIGHT) {
      const age = performance.now() - oldestAt;
      if (inFlight > 0 && endings.length < CLAIMS_PER_REQUEST && age < GATHER_MS) {
        timer = setTimeout(send, GATHER_MS - age);
        return;
      }
      const count = fitting(endings);
      const batch = endings.slice(0, count);
      endings = endings.slice(count);
      inFlight += 1;
      void whileAsking((max) => settleEndings(options, batch, max, again)).finally(() => {
        inFlight -= 1;
        schedule();
      });
    }
    if (endings.length === 0) waitForSteps();
  }

  const again = ({ held, outcome }: Ending) => settle(held, outcome);

  /** Calls with how many claims to ask for, which others do not ask for meanwhile. */
  async function whileAsking(ask: (max: number) => Promise<void>): Promise<void> {
    const max = wanted();
    asked += max;
    await ask(max).finally(() => {
      asked -= max;
    });
  }

  function wanted(): number {
    return claiming ? Math.min(CLAIMS_PER_REQUEST, Math.max(0, options.room() - asked)) : 0;
  }

  /** The long request: one at a time. */
  function waitForSteps(): void {
    if (waiting || wanted() === 0) return;
    waiting = true;
    const ask = async (max: number) => {
      refusals = (await askForSteps(options, { max, refusals }, cut.signal)) ? 0 : refusals + 1;
    };
    void whileAsking(ask).finally(() => {
      waiting = false;
      schedule();
    });
  }

  return {
    settle,
    claim: schedule,
    stopClaiming: () => {
      claiming = false;
    },
    isWaiting: () => waiting,
    cutWait: () => cut.abort(),
    isIdle: () => endings.length === 0 && inFlight === 0 && !waiting && !scheduled,
  };
}

/** How many of these one request carries. */
function fitting(endings: readonly Ending[]): number {
  let length = 0;
  const first = endings.findIndex(({ outcome }, index) => {
    length += outcome.fields.length;
    return index === CLAIMS_PER_REQUEST || (index > 0 && length > REQUEST_LENGTH);
  });
  return first === -1 ? endings.length : first;
}

/**
 * Waits for up to `max` steps, however long no server answers. Gives whether they were granted; when not, only after a
 * pause, longer after so many `refusals` in a row. Never rejects; ends early by the signal.
 */
async function askForSteps(
  options: ExchangeOptions,
  { max, refusals }: { max: number; refusals: number },
  signal: AbortSignal,
): Promise<boolean> {
  const worker_id = options.workerId();
  const body = { ...claimFields(options, worker_id, max), wait: `${WAIT_MS}ms` };
  const call = { method: 'POST', path: '/v1/claims', body, repeatable: true, waitMs: WAIT_MS } as const;
  const sentAt = performance.now();
  try {
    const answer = (
      await options.transport.send({ ...call, patienceMs: Infinity, signal })
    ).json<ClaimList>();
    options.onCommand(answer.command);
    // The answer may have come while this process stood still.
    options.onClaims(answer.data, Math.max(sentAt, performance.now() - options.stoodStill()));
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    const { code, retryAfterMs } = error as Partial<HoldfastError>;
    const isUnknown = code === 'worker_not_found';
    if (isUnknown) await options.registerAgain(worker_id).catch(() => {});
    // Told once, not with every try.
    else if (refusals === 0)
      options.emit({ level: 'error', event: 'refused', message: `no steps: ${String(error)}`, error });
    if (isUnknown && refusals === 0) return false;
    const pause = Math.max(Math.min(retryAfterMs ?? 0, LONGEST_ASKED_MS), backoff(4 + refusals, 5_000));
    await sleep(pause, signal).catch(() => {});
    return false;
  }
}
