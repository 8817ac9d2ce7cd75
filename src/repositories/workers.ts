import { type Kysely, sql } from 'kysely';
import type { Store, Tx } from '../database/store.ts';
import type { Tables } from '../database/tables.ts';

/** What a server says of itself when it starts. */
export interface ServerEntry {
  id: string;
  name: string;
  version: string;
  uses: readonly string[];
  /** Null: every queue. */
  queues: readonly string[] | null;
  slots: number;
}

/** Writes the server's row; again, if another server took it for dead. Returns the key of its advisory lock. */
export async function upsertServer(tx: Tx, entry: ServerEntry): Promise<number> {
  const row = await tx
    .insertInto('worker')
    .values({
      ...entry,
      kind: 'server',
      uses: [...entry.uses],
      queues: entry.queues ? [...entry.queues] : null,
    })
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ last_seen_at: sql`clock_timestamp()` }))
    .returning('lock_key')
    .executeTakeFirstOrThrow();
  return row.lock_key;
}

/** Writes that the server lives. False when its row is gone: another server took it for dead. */
export async function touchServer(tx: Tx, id: string): Promise<boolean> {
  const { rows } = await sql`
    update worker set last_seen_at = clock_timestamp() where id = ${id} returning 1`.execute(tx);
  return rows.length === 1;
}

/** A server that has been silent for a while: maybe dead. */
export interface SilentServer {
  id: string;
  name: string;
  lock_key: number;
}

/**
 * Other servers that wrote nothing for `silenceMs`, counted from the latest of their last write and the start of
 * the database: while that was away nobody could write.
 */
export async function findSilentServers(
  db: Kysely<Tables>,
  selfId: string,
  silenceMs: number,
): Promise<SilentServer[]> {
  const { rows } = await sql<SilentServer>`
    select id, name, lock_key from worker
    where id <> ${selfId} and kind = 'server'
      and greatest(last_seen_at, pg_postmaster_start_time())
        < clock_timestamp() - ${silenceMs} * interval '1 millisecond'`.execute(db);
  return rows;
}

/** Every server's row but one's own. */
export async function findOtherServers(db: Kysely<Tables>, selfId: string): Promise<SilentServer[]> {
  return db
    .selectFrom('worker')
    .select(['id', 'name', 'lock_key'])
    .where('id', '<>', selfId)
    .where('kind', '=', 'server')
    .execute();
}

/** Removes a server's row. */
export async function deleteWorker(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('worker').where('id', '=', id).execute();
}

/** The first half of the advisory locks that living servers hold; the second is the server's `lock_key`. */
export const SERVER_LOCK_SPACE = 1_214_211_652;

/** Whether nobody holds the server's lock. The lock is given back at once. */
export async function isServerLockFree(store: Store, lockKey: number): Promise<boolean> {
  const { rows } = await sql<{ free: boolean }>`
    select pg_try_advisory_xact_lock(${SERVER_LOCK_SPACE}::int4, ${lockKey}::int4) as free`.execute(store.db);
  return rows[0]?.free ?? false;
}
