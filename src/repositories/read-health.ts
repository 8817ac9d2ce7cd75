import { type Kysely, sql } from 'kysely';
import type { Tables } from '../database/tables.ts';

const COUNTED_EXACTLY = 10_000;

/**
 * How many jobs are kept: exact up to 10,000, beyond that the planner's estimate, so that asking for it every second
 * costs a millisecond whatever the size of the table.
 */
export async function readJobsCount(db: Kysely<Tables>): Promise<number> {
  const { rows } = await sql<{ counted: number; estimated: number }>`
    select (select count(*) from (select 1 from job limit ${COUNTED_EXACTLY + 1}) as first_rows)::int4 as counted,
      (select reltuples from pg_class where oid = 'job'::regclass)::float8 as estimated`.execute(db);
  const { counted, estimated } = rows[0] as { counted: number; estimated: number };
  return counted <= COUNTED_EXACTLY ? counted : Math.max(counted, Math.round(estimated));
}
