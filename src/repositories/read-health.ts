import { type Kysely, sql } from 'kysely';
import type { Tables } from '../database/tables.ts';

const COUNTED_EXACTLY = 10_000;

/** What the database says of itself. */
export interface DatabaseHealth {
  /**
   * How many jobs are kept: exact up to 10,000, beyond that the planner's estimate, so that asking for it every second
   * costs a millisecond whatever the size of the table.
   */
  jobs_count: number;
  /** It refuses to be written: a standby, or closed for writing, as some are when their disk is full. */
  read_only: boolean;
}

export async function readHealth(db: Kysely<Tables>): Promise<DatabaseHealth> {
  return db.connection().execute(async (session) => {
    const { rows } = await sql<{ counted: number; estimated: number; read_only: boolean }>`
      select (select count(*) from (select 1 from job limit ${COUNTED_EXACTLY + 1}) as first_rows)::int4 as counted,
        (select reltuples from pg_class where oid = 'job'::regclass)::float8 as estimated,
        current_setting('transaction_read_only')::bool as read_only`.execute(session);
    const { counted, estimated, read_only } = rows[0] as (typeof rows)[0];
    // Changes nothing, and is refused: so the pool learns of it and gives this session up.
    if (read_only) await sql`delete from worker where false`.execute(session).catch(() => undefined);
    const jobs_count = counted <= COUNTED_EXACTLY ? counted : Math.max(counted, Math.round(estimated));
    return { jobs_count, read_only };
  });
}
