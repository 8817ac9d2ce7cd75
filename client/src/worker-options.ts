import type { ClientOptions } from './client.ts';
import type { Claim } from './wire.ts';

/** What an action is called with. */
export interface ActionContext<Input = unknown> {
  /** The step's `with`, its expressions evaluated. */
  input: Input;
  /**
   * Aborted when the attempt is over for whatever reason: the job was cancelled, the claim was lost, the time of the
   * attempt is over, the worker stops. `signal.reason` is a `ClaimEnded` that says which. Whatever comes afterwards is
   * written nowhere; but what an action returns soon after its worker had to stop still counts.
   */
  signal: AbortSignal;
  /** Appends to the log of the step, with a line break at the end if there is none. */
  log(text: string | Uint8Array): void;
  /** How much is done, 0 to 1. */
  progress(fraction: number): void;
  /** The claim: `job_id`, `step`, `attempt`, `labels`, … */
  claim: Claim;
}

/** Does a step; what it returns becomes the output (any JSON, undefined is null), what it throws fails the attempt. */
// biome-ignore lint/suspicious/noExplicitAny: each action knows the shape of its own input
export type Action = (context: ActionContext<any>) => unknown;

/** What happens to a worker, for logs. `level` is how much it matters. */
export interface WorkerEvent {
  level: 'debug' | 'info' | 'warn' | 'error';
  /** `registered`, `claimed`, `settled`, `refused`, `lost`, `unreachable`, `draining`, `stopped`, … */
  event: string;
  message: string;
  claim?: Claim;
  error?: unknown;
}

export interface WorkerOptions extends Pick<ClientOptions, 'server' | 'fetch' | 'headers'> {
  /** What it can do, by the name that steps `uses`. */
  actions: Record<string, Action>;
  /** For people; the host and the process when absent. */
  name?: string;
  /** Takes steps from these queues only; from all when absent. */
  queues?: readonly string[];
  /** How many steps run at once; 1 when absent. */
  concurrency?: number;
  /** How many claimed steps may wait for a free slot, so that none is idle between requests; 0 when absent. */
  prefetch?: number;
  /** How long a claim is valid without being extended, in milliseconds; as the server says when absent. */
  ttlMs?: number;
  /** How long running steps may go on after a drain began; then they are aborted and given back. 10000 when absent. */
  shutdownGraceMs?: number;
  labels?: Record<string, string>;
  /** Of your program. */
  version?: string;
  /** Drain on SIGTERM and SIGINT and then exit with 0, a second signal stops at once. True when absent, in Node. */
  handleSignals?: boolean;
  /** Hears what happens; warnings and errors go to the console when absent. */
  onEvent?(event: WorkerEvent): void;
}
