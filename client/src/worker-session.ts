import { HoldfastError } from './errors.ts';
import type { HeldClaim, HeldClaims } from './held-claims.ts';
import { workerPath } from './server-calls.ts';
import { backoff, sleep } from './timing.ts';
import type { Transport } from './transport.ts';
import type { ExtendedClaimList, HeartbeatAnswer, RegisteredWorker, WorkerRegistration } from './wire.ts';
import type { WorkerEvent } from './worker-options.ts';

const CLAIMS_PER_REQUEST = 1_000;
/** Progress is told so often at most. */
const PROGRESS_MS = 500;

export interface SessionOptions {
  transport: Transport;
  registration: WorkerRegistration;
  held: HeldClaims;
  /** Of each claim, in milliseconds; what the server says when absent. */
  ttlMs: number | undefined;
  onCommand(command: HeartbeatAnswer['command']): void;
  emit(event: WorkerEvent): void;
}

export interface Session {
  workerId(): string;
  /** Enters the worker, however long no server answers. Rejects when it is refused, or by the signal. */
  register(signal: AbortSignal): Promise<void>;
  /** The same when the server does not know the worker of this id any more; once, however many notice. */
  registerAgain(unknownId: string): Promise<void>;
  /** Sends heartbeats, which extend the claims, and progress, until the signal. */
  keep(signal: AbortSignal): Promise<void>;
  /** Sends a heartbeat without waiting for the next one to be due. */
  hurry(): void;
  /** There is progress to be told. */
  news(): void;
  /** Says that no more steps are wanted, or that the worker leaves; in vain when no server answers at once. */
  drain(): Promise<void>;
  leave(): Promise<void>;
}

/** What the server knows of a worker, and how it hears that the worker lives. */
export function createSession(options: SessionOptions): Session {
  const { transport, held: claims, emit, onCommand } = options;
  let worker: RegisteredWorker | undefined;
  let again: Promise<void> | undefined;
  let ended: AbortSignal | undefined;
  let wake = () => {};
  let urgent = false;
  let newsComing = false;

  const workerId = () => worker?.id ?? '';

  async function register(signal: AbortSignal): Promise<void> {
    ended = signal;
    const call = { method: 'POST', path: '/v1/workers', body: options.registration } as const;
    const answer = await transport.send({ ...call, repeatable: true, patienceMs: Infinity, signal });
    worker = answer.json<RegisteredWorker>();
    const message = `registered as ${worker.name} (${worker.id})`;
    emit({ level: 'info', event: 'registered', message });
  }

  function registerAgain(unknownId: string): Promise<void> {
    if (unknownId !== workerId()) return Promise.resolve();
    again ??= register(ended as AbortSignal).finally(() => {
      again = undefined;
    });
    return again;
  }

  function intervalMs(): number {
    const { heartbeat_interval_ms: beat = 10_000, claim_ttl_ms: ttl = 30_000 } = worker ?? {};
    return Math.min(beat, (options.ttlMs ?? ttl) / 3);
  }

  async function keep(signal: AbortSignal): Promise<void> {
    let dueAt = performance.now() + intervalMs();
    let failures = 0;
    while (!signal.aborted) {
      await rest(dueAt - performance.now(), signal);
      if (signal.aborted) return;
      const isDue = urgent || performance.now() >= dueAt;
      urgent = false;
      try {
        if (isDue) await beat(signal);
        else await report(signal);
        failures = 0;
        if (isDue) dueAt = performance.now() + intervalMs();
      } catch (error) {
        if (signal.aborted) return;
        await onTrouble(error);
        // The sooner it is tried again, the more tries fit into what is left of the claims.
        dueAt = performance.now() + backoff(failures, Math.min(2_000, intervalMs()));
        failures += 1;
      }
    }
  }

  /** Until a heartbeat is due, or something new is to be told. */
  async function rest(ms: number, signal: AbortSignal): Promise<void> {
    const until = new AbortController();
    wake = () => until.abort();
    signal.addEventListener('abort', wake, { once: true });
    const isNews = () => urgent || [...claims.all()].some(({ unreported }) => unreported);
    if (!signal.aborted && !urgent)
      await sleep(Math.max(0, isNews() ? Math.min(ms, PROGRESS_MS) : ms), until.signal).catch(() => {});
    signal.removeEventListener('abort', wake);
    wake = () => {};
  }

  async function beat(signal: AbortSignal): Promise<void> {
    const all = [...claims.all()];
    const sentAt = performance.now();
    const first = all.slice(0, CLAIMS_PER_REQUEST);
    const path = `${workerPath(workerId())}/heartbeat`;
    const answer = await post<HeartbeatAnswer>(path, { claims: first.map(entry) }, signal);
    hear(answer.claims, sentAt);
    await extend(all.slice(CLAIMS_PER_REQUEST), signal);
    onCommand(answer.command);
  }

  /** Tells the progress of those that have some. */
  async function report(signal: AbortSignal): Promise<void> {
    await extend(
      [...claims.all()].filter(({ unreported }) => unreported),
      signal,
    );
  }

  async function extend(all: readonly HeldClaim[], signal: AbortSignal): Promise<void> {
    for (let from = 0; from < all.length; from += CLAIMS_PER_REQUEST) {
      const part = all.slice(from, from + CLAIMS_PER_REQUEST);
      const sentAt = performance.now();
      const answer = await post<ExtendedClaimList>('/v1/claims/extend', { claims: part.map(entry) }, signal);
      hear(answer.data, sentAt);
    }
  }

  async function post<Body>(path: string, body: object, signal: AbortSignal): Promise<Body> {
    const timeoutMs = Math.max(1_000, intervalMs() / 2);
    const call = { method: 'POST', path, body, repeatable: true, signal } as const;
    return (await transport.send({ ...call, timeoutMs, patienceMs: 0 })).json<Body>();
  }

  /** Times count from when the request was sent: the claims live at least as long as that. */
  function hear(answers: ExtendedClaimList['data'], sentAt: number): void {
    for (const { id, action, expires_in_ms } of answers) {
      const held = claims.get(id);
      if (held === undefined) continue;
      if (action === 'continue') held.expiresAt = sentAt + expires_in_ms;
      // Of one whose outcome is on its way, the answer to that says what became of it.
      else if (held.state !== 'settling') claims.end(held, action === 'cancel' ? 'cancelled' : 'lost');
    }
  }

  async function onTrouble(error: unknown): Promise<void> {
    if (error instanceof HoldfastError && error.code === 'worker_not_found') {
      await registerAgain(workerId()).catch(() => {});
      return;
    }
    emit({ level: 'warn', event: 'unreachable', message: `no heartbeat: ${String(error)}`, error });
  }

  async function leaving(method: 'POST' | 'DELETE', path: string): Promise<void> {
    const call = { method, path, repeatable: true, timeoutMs: 2_000, patienceMs: 2_000 } as const;
    await transport.send(call).catch((error: unknown) => {
      emit({ level: 'warn', event: 'unreachable', message: `${method} ${path}: ${String(error)}`, error });
    });
  }

  return {
    workerId,
    register,
    registerAgain,
    keep,
    hurry: () => {
      urgent = true;
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
    drain: () => leaving('POST', `${workerPath(workerId())}/drain`),
    leave: () => leaving('DELETE', workerPath(workerId())),
  };
}

function entry(held: HeldClaim): { id: string; progress?: number } {
  const { claim, progress } = held;
  held.unreported = false;
  return progress === null ? { id: claim.id } : { id: claim.id, progress };
}
