import { HoldfastError } from './errors.ts';
import type { HeldClaim, HeldClaims } from './held-claims.ts';
import { workerPath } from './server-calls.ts';
import { backoff, sleep } from './timing.ts';
import { LONGEST_ASKED_MS, type Transport } from './transport.ts';
import type { ExtendedClaimList, HeartbeatAnswer } from './wire.ts';

const CLAIMS_PER_REQUEST = 1_000;
/** New progress waits so long to be told. */
const PROGRESS_MS = 500;
/** Pauses between tries grow up to this. */
const LONGEST_PAUSE_MS = 5_000;
/** However little time the claims have left, no pause has to be shorter. */
const SHORTEST_LIMIT_MS = 500;

export interface HeartbeatOptions {
  transport: Transport;
  held: HeldClaims;
  workerId(): string;
  /** How often a heartbeat is due, in milliseconds, as things are now. */
  intervalMs(): number;
  onCommand(command: HeartbeatAnswer['command']): void;
  /**
   * Hears of a heartbeat that did not get through, after so many others in a row; the next one is sent once this has
   * resolved.
   */
  onTrouble(error: unknown, failures: number): Promise<void>;
}

export interface Heartbeats {
  /** Sends heartbeats, which extend the claims, and progress, until the signal. */
  keep(signal: AbortSignal): Promise<void>;
  /** Sends one without waiting for it to be due. */
  hurry(): void;
  /** There is progress to be told. */
  news(): void;
  /** There are claims that were not there when it was settled how long to pause. */
  granted(): void;
}

/** How the server hears that a worker lives and which claims it still wants. */
export function createHeartbeats(options: HeartbeatOptions): Heartbeats {
  const { held: claims, intervalMs } = options;
  let wake = () => {};
  let urgent = false;
  let newsComing = false;
  let failures = 0;
  let dueAt = 0;

  async function keep(signal: AbortSignal): Promise<void> {
    dueAt = performance.now() + intervalMs();
    for (;;) {
      await rest(dueAt - performance.now(), signal, failures === 0);
      if (signal.aborted) return;
      const isDue = urgent || performance.now() >= dueAt;
      // While none gets through, progress waits for the heartbeat that does.
      if (!isDue && failures > 0) continue;
      urgent = false;
      try {
        await (isDue ? beat(options, signal) : report(options, signal));
        failures = 0;
        if (isDue) dueAt = performance.now() + intervalMs();
      } catch (error) {
        if (signal.aborted) return;
        await options.onTrouble(error, failures);
        dueAt = performance.now() + pauseAfter(error, failures, claims);
        failures += 1;
      }
    }
  }

  /** Until a heartbeat is due, or something new is to be told. */
  async function rest(ms: number, signal: AbortSignal, mayReport: boolean): Promise<void> {
    if (signal.aborted || urgent) return;
    const woken = new AbortController();
    wake = () => woken.abort();
    signal.addEventListener('abort', wake, { once: true });
    const isNews = mayReport && [...claims.all()].some(({ unreported }) => unreported);
    // Timers leave out fractions, and what wakes too early is not due yet.
    const whole = Math.ceil(Math.max(0, isNews ? Math.min(ms, PROGRESS_MS) : ms));
    await sleep(whole, woken.signal).catch(() => {});
    signal.removeEventListener('abort', wake);
    wake = () => {};
  }

  return {
    keep,
    hurry: () => {
      urgent = true;
      wake();
    },
    granted: () => {
      if (failures === 0) return;
      dueAt = Math.min(dueAt, performance.now() + intervalMs());
      wake();
    },
    news: () => {
      if (newsComing) return;
      newsComing = true;
      setTimeout(() => {
        newsComing = false;
        wake();
      }, PROGRESS_MS);
    },
  };
}

/** Longer each time, and as long as the server asks for; but several tries fit into what is left of the claims. */
function pauseAfter(error: unknown, failures: number, claims: HeldClaims): number {
  const asked = error instanceof HoldfastError ? (error.retryAfterMs ?? 0) : 0;
  const pause = Math.max(Math.min(asked, LONGEST_ASKED_MS), backoff(failures, LONGEST_PAUSE_MS));
  const left = Math.min(...[...claims.all()].map(({ expiresAt }) => expiresAt)) - performance.now();
  return Math.min(pause, Math.max(SHORTEST_LIMIT_MS, left / 4));
}

async function beat(options: HeartbeatOptions, signal: AbortSignal): Promise<void> {
  const all = [...options.held.all()];
  const first = all.slice(0, CLAIMS_PER_REQUEST);
  const sentAt = performance.now();
  const path = `${workerPath(options.workerId())}/heartbeat`;
  const answer = await post<HeartbeatAnswer>(options, path, { claims: first.map(entry) }, signal);
  hear(options.held, answer.claims, sentAt);
  await extend(options, all.slice(CLAIMS_PER_REQUEST), signal);
  options.onCommand(answer.command);
}

/** Tells the progress of those that have some. */
async function report(options: HeartbeatOptions, signal: AbortSignal): Promise<void> {
  const some = [...options.held.all()].filter(({ unreported }) => unreported);
  await extend(options, some, signal);
}

async function extend(
  options: HeartbeatOptions,
  all: readonly HeldClaim[],
  signal: AbortSignal,
): Promise<void> {
  for (let from = 0; from < all.length; from += CLAIMS_PER_REQUEST) {
    const part = all.slice(from, from + CLAIMS_PER_REQUEST);
    const sentAt = performance.now();
    const body = { claims: part.map(entry) };
    const answer = await post<ExtendedClaimList>(options, '/v1/claims/extend', body, signal);
    hear(options.held, answer.data, sentAt);
  }
}

async function post<Body>(
  { transport, intervalMs }: HeartbeatOptions,
  path: string,
  body: object,
  signal: AbortSignal,
): Promise<Body> {
  const timeoutMs = Math.max(1_000, intervalMs() / 2);
  const call = { method: 'POST', path, body, repeatable: true, signal } as const;
  return (await transport.send({ ...call, timeoutMs, patienceMs: 0 })).json<Body>();
}

/** Times count from when the request was sent: the claims live at least as long as that. */
function hear(claims: HeldClaims, answers: ExtendedClaimList['data'], sentAt: number): void {
  for (const { id, action, expires_in_ms } of answers) {
    const held = claims.get(id);
    if (held === undefined) continue;
    if (action === 'continue') held.expiresAt = sentAt + expires_in_ms;
    // Of one whose outcome is on its way, the answer to that says what became of it.
    else if (held.state !== 'settling') claims.end(held, action === 'cancel' ? 'cancelled' : 'lost');
  }
}

function entry(held: HeldClaim): { id: string; progress?: number } {
  const { claim, progress } = held;
  held.unreported = false;
  return progress === null ? { id: claim.id } : { id: claim.id, progress };
}
