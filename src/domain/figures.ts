import type { JobStatus } from './job-status.ts';

/**
 * What the database tells of the work in it and of itself, for whoever watches over it: the same whichever server asks.
 * A part is null when it took too long to find out, or may not be seen.
 */
export interface Figures {
  openJobs: OpenJobs[] | null;
  readyHeads: ReadyHead[] | null;
  workers: WorkerGroup[] | null;
  tables: TableFigures[] | null;
  sessions: SessionFigures | null;
}

/** The jobs of one status that are not over, and their open steps. */
export interface OpenJobs {
  status: JobStatus;
  jobs: number;
  pending: number;
  ready: number;
  running: number;
  waiting: number;
}

/** What stands first among the ready steps of one action in one queue. */
export interface ReadyHead {
  queue: string;
  uses: string;
  /** For how long the oldest of those that stand first, one of each priority, has been ready. */
  seconds: number;
  /** Workers that live and take such steps. */
  workers: number;
}

/** Workers that have kind and status in common. */
export interface WorkerGroup {
  kind: 'server' | 'remote';
  status: 'live' | 'draining' | 'gone';
  workers: number;
  slots: number;
}

export interface TableFigures {
  table: string;
  bytes: number;
  live_tuples: number;
  /** Row versions that vacuum has not removed yet. */
  dead_tuples: number;
  /** Seconds since 1970; null: never, or not since the statistics were reset. */
  last_autovacuum: number | null;
}

export interface SessionFigures {
  /** Transactions since the oldest snapshot that keeps dead rows from being removed, as far as our role may see. */
  oldest_xmin_age: number;
  /** Of the oldest transaction that is open in this database, as far as our role may see. */
  longest_transaction_seconds: number;
  database_bytes: number;
}
