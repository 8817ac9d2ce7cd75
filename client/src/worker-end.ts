import type { Exchange } from './claim-exchange.ts';
import type { HeldClaim, HeldClaims } from './held-claims.ts';
import { RELEASED } from './step-outcome.ts';
import { sleep } from './timing.ts';
import type { HeartbeatAnswer } from './wire.ts';
import type { WorkerEvent } from './worker-options.ts';
import type { Session } from './worker-session.ts';

/** How long an aborted action has to end before its step is given to others. */
const ABORT_MS = 500;
/** How long a request that waits for steps has to end by itself. */
const CUT_MS = 1_000;
/** How long outcomes may take on the way out. */
const LEAVE_MS = 5_000;
const POLL_MS = 10;
/** The longest that a timer can be set to. */
const LONGEST_MS = 2 ** 31 - 1;

export interface EndOptions {
  session: Session;
  exchange: Exchange;
  held: HeldClaims;
  emit(event: WorkerEvent): void;
  /** Takes back, from what waits for a slot, all there is. */
  withdraw(): HeldClaim[];
  /** Called when the worker has left. */
  onEnd(): void;
}

export interface WorkerEnd {
  /** Takes no more steps, aborts those that still run after `graceMs`, and leaves. May be called again. */
  drain(graceMs: number): void;
  obey(command: HeartbeatAnswer['command']): void;
  isDraining(): boolean;
}

/** How a worker ends. */
export function createWorkerEnd(options: EndOptions): WorkerEnd {
  const { session, exchange, held, emit } = options;
  let draining = false;
  let removed = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let endAt = Infinity;

  function drain(graceMs: number): void {
    if (!draining) {
      draining = true;
      exchange.stopClaiming();
      emit({ level: 'info', event: 'draining', message: 'takes no more steps' });
      for (const one of options.withdraw()) giveBack(one);
      void leave();
    }
    endAt = Math.min(endAt, performance.now() + graceMs);
    clearTimeout(timer);
    const left = Math.max(0, endAt - performance.now());
    if (left < LONGEST_MS) timer = setTimeout(abortAll, left);
  }

  function giveBack(one: HeldClaim): void {
    // Of a worker that was removed the server has taken them already.
    if (removed) held.end(one, 'stopping');
    else exchange.settle(one, RELEASED);
  }

  function abortAll(): void {
    const left = running();
    for (const one of left) held.abort(one);
    // What heeds its signal gives its step back by itself, once it does nothing any more.
    const give = () => {
      for (const one of left) if (one.state === 'running') giveBack(one);
    };
    if (removed) give();
    else timer = setTimeout(give, ABORT_MS);
  }

  const running = () => [...held.all()].filter(({ state }) => state === 'running');

  async function leave(): Promise<void> {
    if (session.workerId() !== '') {
      // The server then ends the request that waits for steps; without an answer we end it.
      if (!removed) await session.drain();
      await until(() => !exchange.isWaiting(), CUT_MS);
      exchange.cutWait();
      await until(() => running().length === 0, Infinity);
      await until(() => exchange.isIdle(), LEAVE_MS);
      await session.leave();
    }
    clearTimeout(timer);
    for (const one of held.all()) held.end(one, 'stopping');
    emit({ level: 'info', event: 'stopped', message: 'the worker has left' });
    options.onEnd();
  }

  function obey(command: HeartbeatAnswer['command']): void {
    if (command === 'drain') drain(Infinity);
    if (command !== 'stop' || removed) return;
    removed = true;
    drain(0);
  }

  return { drain, obey, isDraining: () => draining };
}

/** Resolves when it is so, or after `ms`. */
async function until(isSo: () => boolean, ms: number): Promise<void> {
  const deadline = performance.now() + ms;
  while (!isSo() && performance.now() < deadline) await sleep(POLL_MS);
}
