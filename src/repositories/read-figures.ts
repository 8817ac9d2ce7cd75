import { type Kysely, sql } from 'kysely';
import { sqlState } from '../database/sql-state.ts';
import type { Tables } from '../database/tables.ts';
import type {
  Figures,
  OpenJobs,
  ReadyHead,
  SessionFigures,
  TableFigures,
  WorkerGroup,
} from '../domain/figures.ts';
import { isGone } from './read-workers.ts';

// Action and queue names are the users': whoever makes up thousands must not make this slow.
const MOST_HEADS = 200;
// It took longer than the connection's statements may, or our role may not read it.
const NOT_TOLD = ['57014', '42501'];

/**
 * What whoever watches over the work wants to know. Reads what is open, never what is over, and is meant for a
 * connection with a short `statement_timeout`: a part that runs into it, or that our role may not see, is null.
 */
export async function readFigures(db: Kysely<Tables>): Promise<Figures> {
  // One after the other: it is one connection.
  return {
    openJobs: await ifTold(() => readOpenJobs(db)),
    readyHeads: await ifTold(() => readReadyHeads(db)),
    workers: await ifTold(() => readWorkerGroups(db)),
    tables: await ifTold(() => readTables(db)),
    sessions: await ifTold(() => readSessions(db)),
  };
}

async function ifTold<Part>(read: () => Promise<Part>): Promise<Part | null> {
  try {
    return await read();
  } catch (error) {
    if (NOT_TOLD.includes(sqlState(error) ?? '')) return null;
    throw error;
  }
}

/** From the counters of open jobs, which are in an index of their own, instead of from steps. */
async function readOpenJobs(db: Kysely<Tables>): Promise<OpenJobs[]> {
  const { rows } = await sql<OpenJobs>`
    select status, count(*) as jobs, sum(steps_pending) as pending, sum(steps_ready) as ready,
      sum(steps_running) as running, sum(steps_waiting) as waiting
    from job where finished_at is null group by status`.execute(db);
  return rows;
}

/**
 * Leaps through the index of ready steps from one (queue, action) to the next, and in each from one priority to the
 * next: a hundred thousand ready steps cost no more than one.
 */
async function readReadyHeads(db: Kysely<Tables>): Promise<ReadyHead[]> {
  const { rows } = await sql<ReadyHead>`
    with recursive pair as (
      (select queue, uses from step where status = 'ready' order by queue, uses limit 1)
      union all
      select next.* from pair cross join lateral (
        select queue, uses from step
        where status = 'ready' and (step.queue, step.uses) > (pair.queue, pair.uses)
        order by queue, uses limit 1
      ) next
    )
    select pair.queue, pair.uses, oldest.seconds, (
        select count(*) from worker
        where not ${isGone('worker')} and worker.command = 'run' and pair.uses = any(worker.uses)
          and (worker.queues is null or pair.queue = any(worker.queues))
      ) as workers
    from (select * from pair limit ${MOST_HEADS}) pair
    cross join lateral (
      with recursive head as (
        (select priority, ready_at from step
          where status = 'ready' and step.queue = pair.queue and step.uses = pair.uses
          order by priority desc, turn limit 1)
        union all
        select next.* from head cross join lateral (
          select priority, ready_at from step
          where status = 'ready' and step.queue = pair.queue and step.uses = pair.uses
            and step.priority < head.priority
          order by priority desc, turn limit 1
        ) next
      )
      select greatest(0, extract(epoch from clock_timestamp() - min(ready_at)))::float8 as seconds from head
    ) oldest`.execute(db);
  return rows;
}

async function readWorkerGroups(db: Kysely<Tables>): Promise<WorkerGroup[]> {
  const { rows } = await sql<WorkerGroup>`
    select kind, case when ${isGone('worker')} then 'gone' when command = 'drain' then 'draining' else 'live' end
        as status,
      count(*) as workers, sum(slots) as slots
    from worker group by 1, 2`.execute(db);
  return rows;
}

async function readTables(db: Kysely<Tables>): Promise<TableFigures[]> {
  const { rows } = await sql<TableFigures>`
    select relname as "table", pg_total_relation_size(relid) as bytes, n_live_tup as live_tuples,
      n_dead_tup as dead_tuples, extract(epoch from last_autovacuum)::float8 as last_autovacuum
    from pg_stat_user_tables where relid = any('{job,step,attempt,step_log}'::regclass[])`.execute(db);
  return rows;
}

/** Sessions, replication slots and prepared transactions can each keep vacuum from removing what is dead. */
async function readSessions(db: Kysely<Tables>): Promise<SessionFigures> {
  const { rows } = await sql<SessionFigures>`
    select greatest(0, session.xmin_age,
        (select max(age(xmin)) from pg_replication_slots),
        (select max(age(transaction)) from pg_prepared_xacts where database = current_database())
      ) as oldest_xmin_age,
      greatest(0, session.seconds)::float8 as longest_transaction_seconds,
      pg_database_size(current_database()) as database_bytes
    from (
      select max(age(backend_xmin)) as xmin_age,
        max(extract(epoch from clock_timestamp() - xact_start)) filter (where datname = current_database())
          as seconds
      from pg_stat_activity
      -- Vacuum's own snapshots hold up no vacuum, and ours is this very statement.
      where pid <> pg_backend_pid() and backend_type <> 'autovacuum worker'
        and (datname = current_database() or backend_type = 'walsender')
    ) session`.execute(db);
  return rows[0] as SessionFigures;
}
