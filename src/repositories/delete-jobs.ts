import { type Kysely, sql } from 'kysely';
import type { Tx } from '../database/store.ts';
import type { Tables } from '../database/tables.ts';
import type { JobStatus } from '../domain/job-status.ts';

/**
 * Deletes jobs with all that belongs to them; those among them that are not over stay, and with `what` those that it
 * does not cover: one may have been retried, and ended anew, since it was looked for. Returns how many went.
 */
export async function deleteTerminalJobs(tx: Tx, ids: readonly string[], what?: Expired): Promise<number> {
  const list = sql.val([...ids]);
  const covered = what ? sql`and ${expired(what)}` : sql``;
  // FOR UPDATE, as only a delete may: nobody can open one of them again until this commits.
  const { rows } = await sql<{ id: string }>`
    select id from job where id = any(${list}::uuid[]) and finished_at is not null ${covered}
    order by id for update skip locked`.execute(tx);
  const mine = rows.map((row) => row.id);
  if (mine.length === 0) return 0;
  // Steps before their logs: a chunk on its way holds its step, and comes before this or finds no step any more.
  await sql`delete from step where job_id = any(${sql.val(mine)}::uuid[])`.execute(tx);
  await sql`delete from step_log where job_id = any(${sql.val(mine)}::uuid[])`.execute(tx);
  await sql`delete from attempt where job_id = any(${sql.val(mine)}::uuid[])`.execute(tx);
  await sql`delete from job where id = any(${sql.val(mine)}::uuid[])`.execute(tx);
  return mine.length;
}

/** What a cleanup looks for: jobs that ended in one of these statuses (null: any) more than `days` ago. */
export interface Expired {
  days: number;
  statuses: readonly JobStatus[] | null;
}

// The time of the statement, not the clock, which an index cannot be asked for.
function expired({ days, statuses }: Expired) {
  const age = sql<boolean>`finished_at < statement_timestamp() - ${days} * interval '1 day'`;
  return statuses === null ? age : sql<boolean>`${age} and status = any(${sql.val([...statuses])}::text[])`;
}

/** The oldest jobs that a cleanup would delete. */
export async function findExpiredJobs(db: Kysely<Tables>, what: Expired, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('job')
    .select('id')
    .where(expired(what))
    .orderBy('finished_at')
    .limit(limit)
    .execute();
  return rows.map((row) => row.id);
}

/** How many jobs a cleanup would delete. */
export async function countExpiredJobs(db: Kysely<Tables>, what: Expired): Promise<number> {
  const row = await db
    .selectFrom('job')
    .select((e) => e.fn.countAll<number>().as('count'))
    .where(expired(what))
    .executeTakeFirstOrThrow();
  return Number(row.count);
}
