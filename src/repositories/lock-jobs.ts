import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../database/store.ts';
import type { JobState } from '../domain/moves/draft.ts';
import { instant } from './bulk-rows.ts';

/** A job whose row this transaction holds. */
export interface LockedJob {
  job: JobState;
  /** The database's clock after it was taken, in milliseconds. */
  now: number;
  /** In which run of which database: see `RememberedJobs`. */
  database: string;
}

const JOB_COLUMNS = sql`id, name, status, reason, version, max_parallel, fail_fast, output_template is not null as has_output,
  output_undecided, error, timeout_ms, retry_round, hard_failures, progress, running_progress,
  ${instant('run_at')} as run_at, ${instant('started_at')} as started_at, ${instant('finished_at')} as finished_at,
  ${instant('deadline_at')} as deadline_at, steps_total, steps_pending, steps_ready, steps_running, steps_waiting,
  steps_succeeded, steps_failed, steps_skipped, steps_cancelled,
  jsonb_build_object('labels', labels, 'traceparent', source ->> 'traceparent') as about`;

/** Tells one run of one database from another: after a failover it is another one. */
export const DATABASE_RUN = sql<string>`pg_postmaster_start_time()::text`;

/**
 * Locks job rows, in the order of their ids: the first statement of every transaction that moves steps, and the only
 * place that locks jobs. `skip` leaves out those that somebody else holds; `wait` waits for them (up to the
 * connection's lock_timeout). Jobs that do not exist are left out.
 *
 * A statement of its own, because a statement that waited for a lock still sees the snapshot from before the wait:
 * what reads the steps must come after it. NO KEY, because inserts that refer to the job need not wait.
 */
export async function lockJobs(tx: Tx, ids: readonly string[], mode: 'wait' | 'skip'): Promise<LockedJob[]> {
  return lockJobsWhere(tx, sql`id = any(${sql.val([...ids])}::uuid[])`, mode);
}

/** Which of these jobs there are, whoever holds them. */
export async function findJobs(tx: Tx, ids: readonly string[]): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from job where id = any(${sql.val([...ids])}::uuid[])`.execute(tx);
  return rows.map((row) => row.id);
}

/** As `lockJobs`, for jobs chosen by a condition on `job` (a condition, not the steps: they are read later). */
export async function lockJobsWhere(
  tx: Tx,
  condition: RawBuilder<unknown>,
  mode: 'wait' | 'skip',
): Promise<LockedJob[]> {
  const skip = mode === 'skip' ? sql`skip locked` : sql``;
  const { rows } = await sql<JobState & { now: number; database: string }>`
    with locked as materialized (
      select * from job where ${condition} order by id for no key update ${skip}
    )
    select ${JOB_COLUMNS}, (extract(epoch from clock_timestamp()) * 1000)::float8 as now, ${DATABASE_RUN} as database
    from locked`.execute(tx);
  return rows.map(({ now, database, ...job }) => ({ job, now, database }));
}
