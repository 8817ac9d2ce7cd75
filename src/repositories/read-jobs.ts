import { type Kysely, sql } from 'kysely';
import type { JobTable, Tables } from '../database/tables.ts';
import type { JobStatus } from '../domain/job-status.ts';
import {
  chooseJobs,
  filterJobs,
  hasAny,
  JOB_COLUMNS,
  type JobFilters,
  type JobPosition,
} from './read-job-list.ts';

export type { JobFilters, JobPosition };

// Not Kysely's `Selectable`: every column named above reads as it is declared, but for the jsonb ones.
type JobRow = {
  [Column in (typeof JOB_COLUMNS)[number]]: JobTable[Column] extends { readonly __select__: infer Value }
    ? Value
    : JobTable[Column];
};

/** A job as it was read, with the database's clock at that moment. */
export type ReadJob = JobRow & { now: Date };

/** The little that a waiting request needs to know. */
export interface JobVersion {
  status: JobStatus;
  version: number;
}

// A page of jobs with inputs and outputs of the largest size would be a quarter of a gigabyte.
const PAGE_BYTES = 8 * 1024 * 1024;

/** One job; undefined when there is none. */
export async function readJob(db: Kysely<Tables>, id: string): Promise<ReadJob | undefined> {
  return await db
    .selectFrom('job')
    .select(JOB_COLUMNS)
    .select(sql<Date>`clock_timestamp()`.as('now'))
    .where('id', '=', id)
    .executeTakeFirst();
}

/** The jobs of these ids that there are, in no order. */
export async function readJobsById(db: Kysely<Tables>, ids: readonly string[]): Promise<ReadJob[]> {
  return await db
    .selectFrom('job')
    .select(JOB_COLUMNS)
    .select(sql<Date>`clock_timestamp()`.as('now'))
    .where(sql<boolean>`id = any(${sql.val([...ids])}::uuid[])`)
    .execute();
}

/** Status and version of the jobs of these ids that there are, by their ids. */
export async function readJobVersions(
  db: Kysely<Tables>,
  ids: readonly string[],
): Promise<Map<string, JobVersion>> {
  const rows = await db
    .selectFrom('job')
    .select(['id', 'status', 'version'])
    .where(sql<boolean>`id = any(${sql.val([...ids])}::uuid[])`)
    .execute();
  return new Map(rows.map(({ id, ...version }) => [id, version]));
}

/**
 * A page of jobs, newest first, and where the next one starts (null on the last). A page ends early rather than pass
 * 8 MB of inputs and outputs; it holds at least one job.
 */
export async function readJobs(
  db: Kysely<Tables>,
  filters: JobFilters,
  page: { limit: number; after: JobPosition | null },
): Promise<{ jobs: ReadJob[]; next: JobPosition | null }> {
  return plannedAnew(db, filters, (session) => readPage(session, filters, page));
}

async function readPage(
  db: Kysely<Tables>,
  filters: JobFilters,
  page: { limit: number; after: JobPosition | null },
): Promise<{ jobs: ReadJob[]; next: JobPosition | null }> {
  const chosen = chooseJobs(db, filters, page);
  const sized = db.selectFrom(chosen.as('chosen')).selectAll().select([bytesOfEarlier(), rowsChosen()]);
  const rows = await db
    .selectFrom(sized.as('sized'))
    .selectAll()
    .select(sql<number>`(extract(epoch from created_at) * 1000000)::bigint`.as('created_us'))
    .select(sql<Date>`clock_timestamp()`.as('now'))
    .where('earlier_bytes', '<=', PAGE_BYTES)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();
  const jobs = rows.slice(0, page.limit);
  const last = jobs.at(-1);
  const more = last !== undefined && jobs.length < last.chosen_rows;
  return { jobs, next: more ? { created_us: last.created_us, id: last.id } : null };
}

/** How many jobs the filters admit. Reads them all: for people, on request. */
export async function countJobs(db: Kysely<Tables>, filters: JobFilters): Promise<number> {
  return plannedAnew(db, filters, async (session) => {
    const row = await filterJobs(session.selectFrom('job'), filters)
      .select(sql<number>`count(*)`.as('total'))
      .executeTakeFirstOrThrow();
    return row.total;
  });
}

/**
 * Reads by labels with a plan made for these very labels. The plan that a session keeps for all of them takes every
 * label for a rare one, and reads all jobs of a common one: 250 ms instead of 3 at a million jobs.
 */
async function plannedAnew<Result>(
  db: Kysely<Tables>,
  { labels }: JobFilters,
  read: (db: Kysely<Tables>) => Promise<Result>,
): Promise<Result> {
  if (!hasAny(labels)) return read(db);
  return db.connection().execute(async (session) => {
    await sql`set plan_cache_mode = force_custom_plan`.execute(session);
    try {
      return await read(session);
    } finally {
      await sql`set plan_cache_mode = force_generic_plan`.execute(session);
    }
  });
}

// What is kept, not what is sent: telling that would mean to read it.
function bytesOfEarlier() {
  return sql<number>`coalesce(sum(coalesce(pg_column_size(input), 0) + coalesce(pg_column_size(output), 0))
    over (order by created_at desc, id desc rows between unbounded preceding and 1 preceding), 0)::bigint`.as(
    'earlier_bytes',
  );
}

function rowsChosen() {
  return sql<number>`count(*) over ()`.as('chosen_rows');
}
