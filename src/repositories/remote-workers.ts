import { type Kysely, sql } from 'kysely';
import type { Tx } from '../database/store.ts';
import type { Tables, WorkerTable } from '../database/tables.ts';

/** What a remote worker says of itself when it registers. */
export interface RemoteWorker {
  name: string;
  version: string;
  uses: readonly string[];
  /** Null: every queue. */
  queues: readonly string[] | null;
  slots: number;
  labels: Record<string, string>;
}

export type WorkerCommand = 'run' | 'drain' | 'stop';

/** A remote worker whose row this transaction holds. */
export interface LockedWorker {
  id: string;
  command: WorkerCommand;
}

// Signs of life come with every request; to write each of them would be a commit a request.
const TOUCH_MS = 3000;

// How long a remote worker is remembered after it was last heard of, once it is silent or was removed.
const SILENT = sql`interval '24 hours'`;
const REMOVED = sql`interval '1 hour'`;

/** Writes a new remote worker. */
export async function insertWorker(tx: Tx, id: string, worker: RemoteWorker): Promise<void> {
  await tx
    .insertInto('worker')
    .values({
      ...worker,
      id,
      kind: 'remote',
      uses: [...worker.uses],
      queues: worker.queues === null ? null : [...worker.queues],
      labels: JSON.stringify(worker.labels),
    })
    .execute();
}

/**
 * Locks remote workers and reads what they are told: one that is being removed then gets nothing. Never waits, because
 * jobs are locked already. Left out are ids of no remote worker, and those that somebody else holds at this moment.
 */
export async function lockWorkers(tx: Tx, ids: readonly string[]): Promise<LockedWorker[]> {
  const { rows } = await sql<LockedWorker>`
    select id, command from worker
    where id = any(${sql.val([...ids])}::uuid[]) and kind = 'remote'
    order by id for no key update skip locked`.execute(tx);
  return rows;
}

/** Writes that remote workers were heard of, unless that was written in the last 3 s or somebody holds their row. */
export async function touchWorkers(tx: Tx, ids: readonly string[]): Promise<void> {
  await sql`
    with silent as materialized (
      select id from worker where id = any(${sql.val([...ids])}::uuid[]) and kind = 'remote'
        and last_seen_at < clock_timestamp() - ${TOUCH_MS} * interval '1 millisecond'
      order by id for no key update skip locked
    )
    update worker set last_seen_at = clock_timestamp() from silent where worker.id = silent.id`.execute(tx);
}

/** What a worker's row says to whoever writes it. */
export interface KnownWorker {
  kind: WorkerTable['kind'];
  name: string;
  command: WorkerCommand;
}

/** As `touchWorkers` for one worker, and reads what it is told; null when there is none. A server is left as it is. */
export async function beatWorker(tx: Tx, id: string): Promise<KnownWorker | null> {
  const { rows } = await sql<KnownWorker>`
    with silent as materialized (
      select id from worker where id = ${id} and kind = 'remote'
        and last_seen_at < clock_timestamp() - ${TOUCH_MS} * interval '1 millisecond'
      for no key update skip locked
    ), touched as (
      update worker set last_seen_at = clock_timestamp() from silent where worker.id = silent.id
    )
    select kind, name, command from worker where id = ${id}`.execute(tx);
  return rows[0] ?? null;
}

/**
 * Writes what the worker is told from now on; one that was told to stop is not told anything else any more. Returns
 * what it is told then, null when there is no such worker.
 */
export async function setCommand(tx: Tx, id: string, command: 'drain' | 'stop'): Promise<KnownWorker | null> {
  const { rows } = await sql<KnownWorker>`
    update worker set command = case when kind = 'server' or command = 'stop' then command else ${command} end
    where id = ${id} returning kind, name, command`.execute(tx);
  return rows[0] ?? null;
}

/**
 * Removed workers that still hold steps: whoever removed them could not give everything back. At most `limit`.
 * The steps are read only when anybody was removed lately, and once, however many those are.
 */
export async function findStoppedHolders(db: Kysely<Tables>, limit: number): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`
    with stopped as materialized (select id from worker where command = 'stop'),
    holder as materialized (
      select distinct claimed_by from step where status = 'running' and (select count(*) from stopped) > 0
    )
    select stopped.id from stopped join holder on holder.claimed_by = stopped.id
    order by stopped.id limit ${limit}`.execute(db);
  return rows.map((row) => row.id);
}

/**
 * Deletes remote workers that have been silent for 24 h, or for one hour if they were removed; none that holds a step,
 * and none that somebody is talking to. At most `limit`; returns how many.
 */
export async function deleteSilentWorkers(tx: Tx, limit: number): Promise<number> {
  const isSilent = sql`w.kind = 'remote' and w.last_seen_at < statement_timestamp()
    - case w.command when 'stop' then ${REMOVED} else ${SILENT} end`;
  const { rows } = await sql`
    with silent as materialized (select w.id from worker w where ${isSilent}),
    holder as materialized (
      select distinct claimed_by as id from step where status = 'running' and (select count(*) from silent) > 0
    ), gone as materialized (
      select w.id from worker w where ${isSilent} and w.id not in (select id from holder)
      order by w.id limit ${limit} for update of w skip locked
    )
    delete from worker using gone where worker.id = gone.id returning 1`.execute(tx);
  return rows.length;
}
