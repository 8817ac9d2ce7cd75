import { HoldfastError } from './errors.ts';
import { createHeartbeats, type Heartbeats } from './heartbeats.ts';
import type { HeldClaims } from './held-claims.ts';
import { workerPath } from './server-calls.ts';
import { isPassing, type Transport } from './transport.ts';
import type { HeartbeatAnswer, RegisteredWorker, WorkerRegistration } from './wire.ts';
import type { WorkerEvent } from './worker-options.ts';

export interface SessionOptions {
  transport: Transport;
  registration: WorkerRegistration;
  held: HeldClaims;
  /** Of each claim, in milliseconds; what the server says when absent. */
  ttlMs: number | undefined;
  onCommand(command: HeartbeatAnswer['command']): void;
  emit(event: WorkerEvent): void;
  /** Aborted when the worker has left. */
  life: AbortSignal;
}

export interface Session extends Pick<Heartbeats, 'hurry' | 'news' | 'granted'> {
  /** Empty before it is registered. */
  workerId(): string;
  /** Enters the worker, however long no server answers, and keeps it alive. Rejects when it is refused. */
  register(): Promise<void>;
  /** The same when the server does not know the worker of this id any more; once, however many notice. */
  registerAgain(unknownId: string): Promise<void>;
  /** Says that no more steps are wanted; in vain when no server answers soon. */
  drain(): Promise<void>;
  /** Says that it leaves; what it still holds is given back. In vain when no server answers soon. */
  leave(): Promise<void>;
}

/** What the server knows of a worker, and how it hears that the worker lives. */
export function createSession(options: SessionOptions): Session {
  const { transport, emit, life } = options;
  let worker: RegisteredWorker | undefined;
  let again: Promise<void> | undefined;
  const workerId = () => worker?.id ?? '';

  async function enter(): Promise<void> {
    const call = { method: 'POST', path: '/v1/workers', body: options.registration } as const;
    const answer = await transport.send({ ...call, repeatable: true, patienceMs: Infinity, signal: life });
    worker = answer.json<RegisteredWorker>();
    emit({ level: 'info', event: 'registered', message: `registered as ${worker.name} (${worker.id})` });
  }

  function registerAgain(unknownId: string): Promise<void> {
    if (unknownId !== workerId()) return Promise.resolve();
    again ??= enter().finally(() => {
      again = undefined;
    });
    return again;
  }

  const heartbeats = createHeartbeats({
    ...options,
    workerId,
    intervalMs: () => {
      const { heartbeat_interval_ms: beat = 10_000, claim_ttl_ms: ttl = 30_000 } = worker ?? {};
      return Math.min(beat, (options.ttlMs ?? ttl) / 3);
    },
    onTrouble: async (error, failures) => {
      if (!(error instanceof HoldfastError)) return;
      if (error.code === 'worker_not_found') await registerAgain(workerId()).catch(() => {});
      // That no server answers is told once for all requests; a refusal once for all heartbeats.
      else if (failures === 0 && !isPassing(error.status))
        emit({ level: 'warn', event: 'refused', message: `no heartbeat: ${String(error)}`, error });
    },
  });

  async function say(method: 'POST' | 'DELETE', path: string): Promise<void> {
    const call = { method, path, repeatable: true, timeoutMs: 2_000, patienceMs: 2_000 } as const;
    await transport.send(call).catch((error: unknown) => {
      emit({ level: 'warn', event: 'unreachable', message: `${method} ${path}: ${String(error)}`, error });
    });
  }

  return {
    workerId,
    registerAgain,
    hurry: heartbeats.hurry,
    news: heartbeats.news,
    granted: heartbeats.granted,
    register: async () => {
      await enter();
      void heartbeats.keep(life);
    },
    drain: () => say('POST', `${workerPath(workerId())}/drain`),
    leave: () => say('DELETE', workerPath(workerId())),
  };
}
