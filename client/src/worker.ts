import { checkOptions, SERVER_OPTIONS } from './check-options.ts';
import { createWorkerLoop, type WorkerLoop } from './worker-loop.ts';
import type { WorkerEvent, WorkerOptions } from './worker-options.ts';

export { type ClaimEnd, ClaimEnded, StepError } from './errors.ts';
export type { Action, ActionContext, WorkerEvent, WorkerOptions } from './worker-options.ts';

/** Runs steps for a server: registers, claims, runs the actions, settles; until it is told to stop. */
export class Worker {
  readonly name: string;
  readonly #options: WorkerOptions;
  #loop: WorkerLoop | undefined;

  constructor(options: WorkerOptions) {
    checkWorkerOptions(options);
    this.#options = options;
    this.name = options.name ?? defaultName();
  }

  /** Starts; resolves once a server has registered the worker, rejects with `HoldfastError` when it refuses to. */
  async start(): Promise<void> {
    if (this.#loop !== undefined) throw new Error('this worker was started before; make another one');
    const { onEvent = toConsole, handleSignals = true } = this.#options;
    const emit = (event: WorkerEvent) => {
      try {
        onEvent(event);
      } catch (error) {
        // Who listens must not stop who works.
        console.error(error);
      }
    };
    this.#loop = createWorkerLoop({ ...this.#options, name: this.name }, emit);
    const letGo = handleSignals ? this.#stopBySignals(this.#loop) : () => {};
    await this.#loop.start().catch((error: unknown) => {
      letGo();
      throw error;
    });
  }

  /**
   * Takes no more steps, lets those that run go on for `graceMs` (the option `shutdownGraceMs` when absent), aborts and
   * gives back the rest, and leaves the list. Resolves when all that is done; may be called again, with less grace.
   */
  async stop(options: { graceMs?: number } = {}): Promise<void> {
    const { shutdownGraceMs = GRACE_MS } = this.#options;
    this.#loop?.stop(options.graceMs ?? shutdownGraceMs);
    await this.#loop?.stopped;
  }

  /** Starts, and resolves once the worker has stopped: by `stop`, by a signal or by order of the server. */
  async run(): Promise<void> {
    await this.start();
    await this.#loop?.stopped;
  }

  #stopBySignals(loop: WorkerLoop): () => void {
    const process = ownProcess();
    if (process === undefined) return () => {};
    let signals = 0;
    const onSignal = () => {
      signals += 1;
      // Whoever asks three times means it: then the signal does what it does by itself.
      if (signals === 2) letGo();
      loop.stop(signals === 1 ? (this.#options.shutdownGraceMs ?? GRACE_MS) : 0);
    };
    const letGo = () => {
      for (const name of SIGNALS) process.off(name, onSignal);
    };
    for (const name of SIGNALS) process.on(name, onSignal);
    void loop.stopped.then(() => {
      letGo();
      if (signals === 0) return;
      // By then the process has ended by itself, unless an action goes on that did not heed its signal.
      const timer = setTimeout(() => process.exit(process.exitCode ?? 0), EXIT_MS);
      (timer as { unref?(): void }).unref?.();
    });
    return letGo;
  }
}

const GRACE_MS = 10_000;
const EXIT_MS = 2_000;
const WORKER_OPTIONS: Record<keyof WorkerOptions, string> = {
  ...SERVER_OPTIONS,
  actions: 'an object of functions by the name that steps use',
  ...{ name: '', queues: '', concurrency: '', prefetch: '', ttlMs: '', shutdownGraceMs: '', labels: '' },
  ...{ version: '', handleSignals: '', onEvent: '' },
};
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** What is used of Node's `process`, which is not there in browsers; nothing of Node is imported. */
interface OwnProcess {
  pid: number;
  exitCode?: number | string | null | undefined;
  on(signal: string, listener: () => void): unknown;
  off(signal: string, listener: () => void): unknown;
  exit(code: number | string): never;
  getBuiltinModule?(name: string): { hostname?(): string } | undefined;
}

function ownProcess(): OwnProcess | undefined {
  const { process } = globalThis as { process?: Partial<OwnProcess> };
  return typeof process?.on === 'function' ? (process as OwnProcess) : undefined;
}

function defaultName(): string {
  const process = ownProcess();
  const host = process?.getBuiltinModule?.('node:os')?.hostname?.();
  return process === undefined ? 'worker' : `worker@${host ?? 'somewhere'}/${process.pid}`;
}

function checkWorkerOptions(options: WorkerOptions): void {
  checkOptions(options, WORKER_OPTIONS);
  const { actions, concurrency = 1, prefetch = 0, ttlMs = 1_000 } = options;
  const names = Object.keys(actions);
  if (names.length === 0) throw new TypeError('`actions` holds no action: there is nothing to offer');
  for (const name of names)
    if (typeof actions[name] !== 'function') throw new TypeError(`the action ${name} is no function`);
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new TypeError('`concurrency` is a whole number from 1');
  if (!Number.isInteger(prefetch) || prefetch < 0) throw new TypeError('`prefetch` is a whole number from 0');
  if (!Number.isInteger(ttlMs) || ttlMs < 1_000 || ttlMs > 3_600_000)
    throw new TypeError('`ttlMs` is a whole number from 1000 to 3600000');
}

function toConsole({ level, message }: WorkerEvent): void {
  if (level === 'warn' || level === 'error') console.error(`holdfast worker: ${message}`);
}
