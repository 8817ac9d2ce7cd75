import { createExchange } from './claim-exchange.ts';
import { StepError } from './errors.ts';
import { createHeldClaims, type HeldClaim } from './held-claims.ts';
import { createStepLog, isOver, type StepLog } from './step-log.ts';
import { isStepError, type Outcome, outcomeOf, outcomeOfError, RELEASED } from './step-outcome.ts';
import { watchClock } from './timing.ts';
import { createTransport, type Transport } from './transport.ts';
import type { Claim, HeartbeatAnswer, WorkerRegistration } from './wire.ts';
import { createWorkerEnd } from './worker-end.ts';
import type { Action, WorkerEvent, WorkerOptions } from './worker-options.ts';
import { createSession } from './worker-session.ts';

/** How long the end of a step waits for its last lines to be taken. */
const LOG_MS = 2_000;

type Emit = (event: WorkerEvent) => void;

export interface WorkerLoop {
  /** Resolves once the worker is registered. */
  start(): Promise<void>;
  /** Takes no more steps, aborts those that still run after `graceMs`, and leaves. */
  stop(graceMs: number): void;
  /** Resolves when the worker has left. */
  readonly stopped: Promise<void>;
}

/** One life of a worker: from its registration until it leaves. */
export function createWorkerLoop(options: WorkerOptions & { name: string }, emit: Emit): WorkerLoop {
  const { actions, concurrency = 1, prefetch = 0, ttlMs } = options;
  const transport = watchOutages(options, emit);
  const life = new AbortController();
  const stopped = new Promise<void>((resolve) => {
    life.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  let waiting: HeldClaim[] = [];
  let busy = 0;

  const held = createHeldClaims(({ claim }, ended) => {
    const level = ended.reason === 'cancelled' || ended.reason === 'stopping' ? 'info' : 'warn';
    emit({ level, event: ended.reason, message: `${claim.step}: ${ended.message}`, claim, error: ended });
  });
  const onCommand = (command: HeartbeatAnswer['command']) => ending.obey(command);
  const talk = { transport, held, emit, onCommand, ttlMs, life: life.signal };
  const session = createSession({ ...talk, registration: registrationOf(options) });
  const clock = watchClock(held.checkTime, session.hurry);
  const exchange = createExchange({
    ...talk,
    workerId: session.workerId,
    registerAgain: session.registerAgain,
    room: () => concurrency + prefetch - busy - waiting.length,
    onClaims: take,
    stoodStill: clock.stoodStill,
  });
  const ending = createWorkerEnd({
    ...{ session, exchange, held, emit },
    withdraw: () => waiting.splice(0),
    onEnd: () => {
      clock.end();
      life.abort();
    },
  });

  function take(claims: readonly Claim[], since: number): void {
    for (const claim of claims) {
      // An answer that was asked for twice may bring a claim twice.
      if (held.get(claim.id) !== undefined) continue;
      const one = held.add(claim, since, logOf(claim, transport, emit));
      emit({ level: 'debug', event: 'claimed', message: `${claim.step} of ${claim.job_name}`, claim });
      if (ending.isDraining()) exchange.settle(one, RELEASED);
      else waiting.push(one);
    }
    if (claims.length > 0) session.granted();
    fill();
  }

  function fill(): void {
    waiting = waiting.filter(held.isValid);
    const count = Math.max(0, concurrency - busy);
    const next = waiting.slice(0, count);
    waiting = waiting.slice(count);
    busy += next.length;
    for (const one of next) void run(one);
    exchange.claim();
  }

  async function run(one: HeldClaim): Promise<void> {
    one.state = 'running';
    const outcome = await perform(one, actions[one.claim.uses], session.news);
    await one.log.flush(LOG_MS);
    busy -= 1;
    // Before anything is written: this process may have stood still, or the action may have ended too late.
    if (one.state === 'running' && held.isValid(one))
      exchange.settle(one, one.signal.aborted && outcome.kind !== 'succeeded' ? RELEASED : outcome);
    fill();
  }

  async function start(): Promise<void> {
    try {
      await session.register();
      exchange.claim();
    } catch (error) {
      // Told to stop before any server answered.
      if (life.signal.aborted) return;
      clock.end();
      throw error;
    }
  }

  return { stopped, start, stop: ending.drain };
}

async function perform(one: HeldClaim, action: Action | undefined, news: () => void): Promise<Outcome> {
  const { claim, signal, log } = one;
  const progress = (fraction: number) => {
    if (Number.isNaN(fraction)) return;
    one.progress = Math.min(1, Math.max(0, fraction));
    one.unreported = true;
    news();
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

function logOf(claim: Claim, transport: Transport, emit: Emit): StepLog {
  return createStepLog(transport, claim.id, (error) => {
    const level = isOver(error) ? 'debug' : 'warn';
    emit({ level, event: 'log', message: `${claim.step}: ${String(error)}`, claim, error });
  });
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
function watchOutages(options: WorkerOptions, emit: Emit): Transport {
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
