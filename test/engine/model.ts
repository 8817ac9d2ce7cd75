/** What the operations of the larger model test share: the world, and what an operation is. */
import type { Store } from '../../src/database/store.ts';
import type { Rows } from './invariants.ts';
import type { ModelServer, Told } from './model-servers.ts';
import type { Plan } from './oracle.ts';
import type { OracleClaim, OracleWorld } from './oracle-claims.ts';
import type { Random } from './random-jobs.ts';

export interface Model {
  oracle: OracleWorld;
  servers: readonly ModelServer[];
  random: Random;
  /** What is stored before the operation under way, after time was made to pass. */
  before: Rows;
  /** For names that nobody has used yet. */
  made: number;
  /** Requests that were sent, to be sent again. */
  sent: { claims: object[]; settles: object[]; submits: Submitted[] };
  /** Operations are running at the same time: what they look at may move between their steps. */
  concurrent: boolean;
}

export interface Submitted {
  key: string;
  plans: readonly Plan[];
  body: object;
  batch: boolean;
}

/** What is known of a round once everything in it has been answered. */
export interface Round {
  concurrent: boolean;
  /** What is stored after it. */
  rows: Rows;
  /** Claims that are stored and were told to nobody, and in which part they are thought to have been granted. */
  unseen: ReadonlyMap<Part, OracleClaim[]>;
}

/** What an operation does at one moment. */
export interface Part {
  /** Parts of the same operation that come before it. */
  after: readonly Part[];
  /** May grant claims that nobody is told of, because they ended before the answer was made. */
  grants?: { worker: string; request: string | null; ttl_ms: number };
  /** Does to the oracle what the answer says; returns why the rules do not allow this answer, null: they do. */
  apply(world: OracleWorld, round: Round): string | null;
}

export interface Operation {
  /** For whoever reads the log of a failure. */
  what: string;
  /** Time passes, or the table is laid, before it begins. */
  prepare?: ((store: Store) => Promise<void>) | undefined;
  send(server: ModelServer): Promise<Told>;
  parts(told: Told): Part[];
  /** How many transactions it may take at most of one job; 1 when absent. */
  transactions?: number;
}

/** An operation that takes place at one moment. */
export function atOnce(
  what: string,
  send: Operation['send'],
  apply: (told: Told, world: OracleWorld, round: Round) => string | null,
  more: Pick<Operation, 'transactions' | 'prepare'> = {},
): Operation {
  return {
    ...more,
    what,
    send,
    parts: (told) => [{ after: [], apply: (world, round) => apply(told, world, round) }],
  };
}

/** "It was answered this, and not that", or null. */
export function unlike(what: string, told: unknown, expected: unknown): string | null {
  const [a, b] = [JSON.stringify(told), JSON.stringify(expected)];
  return a === b ? null : `${what}: told ${a}, expected ${b}`;
}
