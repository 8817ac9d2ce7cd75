import type { TSchema } from 'typebox';
import type { Problem, StoredError } from '../domain/errors.ts';
import type { Json } from '../domain/json.ts';

/** What an action gets besides its `with`. */
export interface ActionContext {
  /** Aborted on timeout, cancel, a lost claim, or a shutdown past its grace. The action then ends soon. */
  signal: AbortSignal;
  /** Appends to the step's log; any size and any number of calls: the caller chunks and caps. */
  log(chunk: string | Uint8Array): void;
  /** Reports how far the action is, 0 to 1. */
  progress(fraction: number): void;
  /** Which execution this is; `id` and `attempt` make repeated effects in the outside world recognisable. */
  claim: { id: string; job_id: string; step: string; attempt: number; retry_round: number };
}

/**
 * How an execution ended. `parked` hands the step back until `for_ms` milliseconds have passed or `until`
 * (RFC 3339) has come, by the database's clock; it then succeeds with `output`.
 */
export type ActionOutcome =
  | { kind: 'succeeded'; output: Json }
  | { kind: 'failed'; error: StoredError; retryable: boolean; retry_after_ms?: number }
  | { kind: 'parked'; for_ms?: number; until?: string; output: Json };

/** What a step can do inside the server. One file each; none touches the database. */
export interface Action {
  /** The name that a step's `uses` gives. */
  uses: string;
  /** One sentence for the documentation. */
  summary: string;
  /**
   * The schema of `with` after rendering; objects admit no additional properties. A text that is never evaluated says
   * `'x-holdfast-literal': true`, so that editors know it too.
   */
  with: TSchema;
  /** What the schema cannot say, asked at submit of the unrendered `with`, which may be of any shape. */
  check?(template: Json, pointer: string): Problem[];
  /** True: never blocks, so it needs no slot. */
  instant: boolean;
  /**
   * Runs on a rendered `with` that `checkRendered` passed. Expected failures are outcomes; a throw is a bug
   * of the action.
   */
  run(with_: Json, context: ActionContext): Promise<ActionOutcome>;
}
