import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Tables } from '../database/tables.ts';
import type { StepKey } from './load-steps.ts';

// `except`: jobs to look past, because somebody holds them.

// Compared with the time of the statement: the clock moves while it is read, so an index cannot be asked for what is
// before it, and every look would read all that is not due.

/** Waiting steps whose delay or timer is over, most overdue first. */
export async function findDueSteps(
  db: Kysely<Tables>,
  limit: number,
  except: readonly string[] = [],
): Promise<StepKey[]> {
  const { rows } = await sql<StepKey>`
    select job_id, ordinal from step where status = 'waiting' and wake_at <= statement_timestamp()
      and job_id <> all(${sql.val([...except])}::uuid[])
    order by wake_at limit ${limit}`.execute(db);
  return rows;
}

// What is loaded for them grows with their steps: of giant jobs one is enough for one transaction.
const STEPS_AT_ONCE = 10_000;

/** The first of these jobs, in the order of `at`, that together have so many steps; the first one in any case. */
function notTooMany(jobs: RawBuilder<unknown>): RawBuilder<{ id: string }> {
  return sql<{ id: string }>`
    select id from (
      select id, sum(steps_total) over (order by at, id) - steps_total as before from (${jobs}) as due
    ) as due where before < ${STEPS_AT_ONCE} order by before`;
}

// `status || ''` is what the index of scheduled jobs, and no other one, has as its condition.

/** Scheduled jobs whose `run_at` has come: at most `limit`, and fewer when they are large. */
export async function findDueJobs(
  db: Kysely<Tables>,
  limit: number,
  except: readonly string[] = [],
): Promise<string[]> {
  const due = sql`
    select id, run_at as at, steps_total from job where status || '' = 'scheduled' and run_at <= statement_timestamp()
      and id <> all(${sql.val([...except])}::uuid[])
    order by run_at limit ${limit}`;
  const { rows } = await notTooMany(due).execute(db);
  return rows.map((row) => row.id);
}

/** Jobs that are past their deadline and not over: at most `limit`, and fewer when they are large. */
export async function findOverdueJobs(
  db: Kysely<Tables>,
  limit: number,
  except: readonly string[] = [],
): Promise<string[]> {
  const due = sql`
    select id, deadline_at as at, steps_total from job
    where finished_at is null and deadline_at <= statement_timestamp()
      and id <> all(${sql.val([...except])}::uuid[])
    order by deadline_at limit ${limit}`;
  const { rows } = await notTooMany(due).execute(db);
  return rows.map((row) => row.id);
}

/** Milliseconds until the next waiting step or scheduled job is due; null when nothing waits. */
export async function findNextDue(db: Kysely<Tables>): Promise<number | null> {
  const { rows } = await sql<{ ms: number | null }>`
    select (extract(epoch from least(
      (select min(wake_at) from step where status = 'waiting'),
      (select min(run_at) from job where status || '' = 'scheduled')
    ) - clock_timestamp()) * 1000)::float8 as ms`.execute(db);
  return rows[0]?.ms ?? null;
}

/** A running step and the claim it runs under. */
export interface RunningStep extends StepKey {
  claim_id: string;
}

/** Running steps whose claim has expired, longest first. */
export async function findExpiredClaims(
  db: Kysely<Tables>,
  limit: number,
  except: readonly string[] = [],
): Promise<RunningStep[]> {
  const { rows } = await sql<RunningStep>`
    select job_id, ordinal, claim_id from step
    where status = 'running' and claim_expires_at <= statement_timestamp()
      and job_id <> all(${sql.val([...except])}::uuid[])
    order by claim_expires_at limit ${limit}`.execute(db);
  return rows;
}

/** What a worker holds; the index on running steps has no more rows than there are slots everywhere. */
export async function findStepsOfWorker(
  db: Kysely<Tables>,
  workerId: string,
  limit: number,
  except: readonly string[] = [],
): Promise<RunningStep[]> {
  const { rows } = await sql<RunningStep>`
    select job_id, ordinal, claim_id from step where status = 'running' and claimed_by = ${workerId}
      and job_id <> all(${sql.val([...except])}::uuid[])
    order by claim_expires_at limit ${limit}`.execute(db);
  return rows;
}
