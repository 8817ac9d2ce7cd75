import { createExchange } from './claim-exchange.ts';
import { type ClaimEnded, StepError } from './errors.ts';
import { createHeldClaims, type HeldClaim } from './held-claims.ts';
import { createStepLog } from './step-log.ts';
import { isStepError, type Outcome, outcomeOf, outcomeOfError, RELEASED } from './step-outcome.ts';
import { sleep, watchClock } from './timing.ts';
import { createTransport, type Transport } from './transport.ts';
import type { Claim, HeartbeatAnswer, WorkerRegistration } from './wire.ts';
import type { Action, WorkerEvent, WorkerOptions } from './worker-options.ts';
import { createSession } from './worker-session.ts';

/** How long the end of a step waits for its last lines to be taken. */
const LOG_MS = 2_000;
/** How long an aborted action has to end before its step is given to others. */
const ABORT_MS = 500;
/** How long a request that waits for steps has to end by itself. */
const CUT_MS = 1_000;
const POLL_MS = 10;
/** How long outcomes may take on the way out. */
const LEAVE_MS = 5_000;

export interface WorkerLoop {
  /** Resolves once the worker is registered. */
  start(): Promise<void>;
  /** Takes no more steps, aborts those that still run after `graceMs`, and leaves. */
  stop(graceMs: number): void;
  /** Resolves when the worker has left. */
  readonly stopped: Promise<void>;
}

/** One life of a worker: from its registration until it leaves. */
export function createWorkerLoop(
  options: WorkerOptions & { name: string },
  emit: (event: WorkerEvent) => void,
): WorkerLoop {
  const { actions, concurrency = 1, prefetch = 0 } = options;
  const transport = watchOutages(options, emit);
  const life = new AbortController();
  const waiting: HeldClaim[] = [];
  let busy = 0;
  let draining = false;
  let removed = false;
  let endTimer: ReturnType<typeof setTimeout> | undefined;
  let endAt = Infinity;
  let hasStopped = () => {};
  const stopped = new Promise<void>((resolve) => {
    hasStopped = resolve;
  });

  const held = createHeldClaims(({ claim }, ended: ClaimEnded) => {
    const level = ended.reason === 'cancelled' || ended.reason === 'stopping' ? 'info' : 'warn';
    emit({ level, event: ended.reason, message: `${claim.step}: ${ended.message}`, claim, error: ended });
  });
  const session = createSession({
    transport,
    held,
    registration: registrationOf(options),
    ttlMs: options.ttlMs,
    onCommand: obey,
    emit,
  });
  const clock = watchClock(held.checkTime, session.hurry);
  const exchange = createExchange({
    ...{ transport, held, emit, onCommand: obey },
    workerId: session.workerId,
    registerAgain: session.registerAgain,
    ttlMs: options.ttlMs,
    room: () => concurrency + prefetch - busy - waiting.length,
    onClaims: take,
    stoodStill: clock.stoodStill,
  });

  function take(claims: readonly Claim[], since: number): void {
    for (const claim of claims) {
      // An answer that was asked for twice may bring a claim twice.
      if (held.get(claim.id) !== undefined) continue;
      const log = createStepLog(transport, claim.id, (error) => {
        emit({ level: 'warn', event: 'log', message: `${claim.step}: ${String(error)}`, claim, error });
      });
      const one = held.add(claim, since, log);
      emit({ level: 'debug', event: 'claimed', message: `${claim.step} of ${claim.job_name}`, claim });
      if (draining) exchange.settle(one, RELEASED);
      else waiting.push(one);
    }
    fill();
  }

  function fill(): void {
    while (busy < concurrency) {
      const next = waiting.shift();
      if (next === undefined) break;
      if (!held.isValid(next)) continue;
      busy += 1;
      void run(next);
    }
    exchange.claim();
  }

  async function run(one: HeldClaim): Promise<void> {
    one.state = 'running';
    const outcome = await perform(one, actions[one.claim.uses], () => session.news());
    await one.log.flush(LOG_MS);
    busy -= 1;
    // Before anything is written: this process may have stood still, or the action may have ended too late.
    if (one.state === 'running' && held.isValid(one))
      exchange.settle(one, one.signal.aborted && outcome.kind !== 'succeeded' ? RELEASED : outcome);
    fill();
  }

  function obey(command: HeartbeatAnswer['command']): void {
    if (command === 'drain') drain(Infinity);
    if (command === 'stop' && !removed) {
      removed = true;
      drain(0);
    }
  }

  function drain(graceMs: number): void {
    if (!draining) {
      draining = true;
      exchange.stopClaiming();
      emit({ level: 'info', event: 'draining', message: `takes no more steps; ${busy} still run` });
      for (const one of waiting.splice(0)) giveBack(one);
      void (session.workerId() === '' ? end() : leave());
    }
    endAt = Math.min(endAt, performance.now() + graceMs);
    clearTimeout(endTimer);
    if (endAt < Infinity) endTimer = setTimeout(abortAll, Math.max(0, endAt - performance.now()));
  }

  function giveBack(one: HeldClaim): void {
    // Of a worker that was removed the server has them already.
    if (removed) held.end(one, 'stopping');
    else exchange.settle(one, RELEASED);
  }

  /** Aborts what still runs; its steps are given back once their actions have had a moment to end. */
  function abortAll(): void {
    const left = [...held.all()].filter(({ state }) => state === 'running');
    for (const one of left) held.abort(one);
    endTimer = setTimeout(() => {
      for (const one of left) if (one.state === 'running') giveBack(one);
    }, ABORT_MS);
  }

  async function leave(): Promise<void> {
    // Its answer ends the request that waits for steps; without an answer we end it.
    if (!removed) await session.drain();
    await until(() => !exchange.isWaiting(), CUT_MS);
    exchange.cutWait();
    await until(() => ![...held.all()].some(({ state }) => state === 'running'));
    await until(() => exchange.isIdle(), LEAVE_MS);
    // Gives back whatever else it holds, uncharged.
    await session.leave();
    end();
  }

  function end(): void {
    clearTimeout(endTimer);
    clock.end();
    life.abort();
    emit({ level: 'info', event: 'stopped', message: 'the worker has left' });
    hasStopped();
  }

  async function start(): Promise<void> {
    try {
      await session.register(life.signal);
    } catch (error) {
      clock.end();
      // Told to stop before any server answered.
      if (life.signal.aborted) return;
      throw error;
    }
    void session.keep(life.signal);
    exchange.claim();
  }

  return { stopped, start, stop: drain };
}

async function perform(one: HeldClaim, action: Action | undefined, onProgress: () => void): Promise<Outcome> {
  const { claim, signal, log } = one;
  const progress = (fraction: number) => {
    if (Number.isNaN(fraction)) return;
    one.progress = Math.min(1, Math.max(0, fraction));
    one.unreported = true;
    onProgress();
  };
  try {
    if (action === undefined) throw new StepError(`this worker does not know ${claim.uses}`);
    return outcomeOf(await action({ input: claim.with, signal, log: log.append, progress, claim }));
  } catch (error) {
    // What nobody meant to throw is looked for in the code.
    if (error instanceof Error && !isStepError(error)) log.append(error.stack ?? String(error));
    return outcomeOfError(error);
  }
}

function registrationOf(options: WorkerOptions & { name: string }): WorkerRegistration {
  const { name, actions, queues, concurrency = 1, version, labels } = options;
  return {
    name,
    uses: Object.keys(actions),
    slots: concurrency,
    ...(queues === undefined ? {} : { queues: [...queues] }),
    ...(version === undefined ? {} : { version }),
    ...(labels === undefined ? {} : { labels }),
  };
}

/** Tells of an outage once when it begins and once when it is over, however many requests notice. */
function watchOutages(options: WorkerOptions, emit: (event: WorkerEvent) => void): Transport {
  let away = false;
  const transport = createTransport(options, (error) => {
    if (!away) emit({ level: 'warn', event: 'unreachable', message: error.message, error });
    away = true;
  });
  return {
    ...transport,
    send: async (call) => {
      const answer = await transport.send(call);
      if (away) emit({ level: 'info', event: 'reachable', message: 'the server answers again' });
      away = false;
      return answer;
    },
  };
}

/** Resolves when it is so, or after `ms`. */
async function until(isSo: () => boolean, ms = Infinity): Promise<void> {
  const deadline = performance.now() + ms;
  while (!isSo() && performance.now() < deadline) await sleep(POLL_MS);
}
