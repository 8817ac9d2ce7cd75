import type { Json } from '../domain/json.ts';
import type { RemoteHandout } from './hand-out.ts';
import type { StepAfter, StepOutcome } from './step-outcome.ts';

/** What a remote worker asks for; null of `uses` and `queues`: as it was registered. */
export interface RemoteRequest {
  workerId: string;
  /** The same again gives the same claims; null: the worker gave none. */
  requestId: string | null;
  uses: readonly string[] | null;
  queues: readonly string[] | null;
  /** How many claims at most. */
  max: number;
  ttlMs: number;
  /** How long to wait for a step to become ready; 0: one look. */
  waitMs: number;
  /** Aborted when nobody is there any more to answer. */
  gone: AbortSignal;
}

/** Steps handed to a remote worker, their `with` rendered, and what the worker is told. */
export interface Handed {
  handouts: (RemoteHandout & { with: Json })[];
  command: 'run' | 'drain' | 'stop';
}

/** What became of an outcome of a remote worker. */
export type RemoteResult = StepAfter | 'claim_lost';

/** Where steps go out to remote workers and their outcomes come in: what HTTP asks of the scheduler. */
export interface RemoteDesk {
  /** Waits for claims. Throws `worker_not_found`, `too_many_waiting`. */
  claim(request: RemoteRequest): Promise<Handed>;
  /**
   * Writes outcomes, in one batch with those of everybody else, and answers after the commit: one result each, in
   * their order. Throws `too_many_waiting` and `overloaded` when too many, or too large ones, wait to be written. `next`
   * asks for claims as well, of the steps that become ready by it: null when there are none, so that whoever then asks
   * for others need not hold the outcomes while it waits.
   */
  settle(
    outcomes: readonly StepOutcome[],
    next: RemoteRequest | null,
  ): Promise<{ results: RemoteResult[]; handed: Handed | null }>;
  /** Takes note of what a worker is told from now on: its requests that wait here are answered. */
  tell(workerId: string, command: 'drain' | 'stop'): void;
}
