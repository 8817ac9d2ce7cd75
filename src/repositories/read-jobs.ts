import { type Kysely, type SelectQueryBuilder, sql } from 'kysely';
import type { JobTable, Tables } from '../database/tables.ts';
import { JOB_STATUSES, type JobStatus } from '../domain/job-status.ts';

/** What a reader sees of a job. */
export const JOB_COLUMNS = [
  'id',
  'name',
  'status',
  'reason',
  'version',
  'priority',
  'labels',
  'input',
  'output',
  'error',
  'progress',
  'steps_total',
  'steps_pending',
  'steps_ready',
  'steps_running',
  'steps_waiting',
  'steps_succeeded',
  'steps_failed',
  'steps_skipped',
  'steps_cancelled',
  'created_at',
  'run_at',
  'started_at',
  'finished_at',
] as const satisfies readonly (keyof JobTable)[];

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

/** Exact place in the order of the list: microseconds since 1970, and the id. */
export interface JobPosition {
  created_us: number;
  id: string;
}

export interface JobFilters {
  statuses: readonly JobStatus[];
  name: string | null;
  /** All of them must be there. */
  labels: Record<string, string>;
  /** RFC 3339; handed on as text, because a Date would cut microseconds off. */
  created_after: string | null;
  created_before: string | null;
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
  page: Page,
): Promise<{ jobs: ReadJob[]; next: JobPosition | null }> {
  return plannedAnew(db, filters, (session) => readPage(session, filters, page));
}

async function readPage(
  db: Kysely<Tables>,
  filters: JobFilters,
  page: Page,
): Promise<{ jobs: ReadJob[]; next: JobPosition | null }> {
  const walks = walksOf(filters);
  const chosen = walks.length < 2 ? firstJobs(db, filters, page) : mergeWalks(db, walks, filters, page);
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
    const row = await filtered(session.selectFrom('job'), filters)
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
  if (Object.keys(labels).length === 0) return read(db);
  return db.connection().execute(async (session) => {
    await sql`set plan_cache_mode = force_custom_plan`.execute(session);
    try {
      return await read(session);
    } finally {
      await sql`reset plan_cache_mode`.execute(session);
    }
  });
}

type JobQuery<Row> = SelectQueryBuilder<Tables, 'job', Row>;
type Page = { limit: number; after: JobPosition | null };

/**
 * The statuses to go over one by one, each in the order of its index, to merge what they give. An index has the jobs of
 * several statuses in no order: all of them would be sorted, or all that are newer would be read. The one by name is
 * by status too, so that what few jobs of a name have is found without a look at the many others.
 */
function walksOf({ statuses, name }: JobFilters): JobStatus[] {
  return statuses.length === 0 && name !== null ? [...JOB_STATUSES] : [...new Set(statuses)];
}

/** The first jobs of the page and one more, newest first. */
function firstJobs(db: Kysely<Tables>, filters: JobFilters, { limit, after }: Page) {
  return filtered(db.selectFrom('job'), filters)
    .select(JOB_COLUMNS)
    .$if(after !== null, (query) => query.where(isOlderThan(after as JobPosition)))
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit + 1);
}

/** The same from the first ones of each status. */
function mergeWalks(db: Kysely<Tables>, walks: readonly JobStatus[], filters: JobFilters, page: Page) {
  const walk = sql<{ status: JobStatus }>`unnest(${sql.val([...walks])}::text[])`;
  const ofStatus = firstJobs(db, { ...filters, statuses: [] }, page).where(
    sql<boolean>`status = walk.status`,
  );
  return db
    .selectFrom(walk.as<'walk'>(sql`walk (status)`))
    .crossJoinLateral(ofStatus.as('job'))
    .selectAll('job')
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(page.limit + 1);
}

function filtered<Row>(query: JobQuery<Row>, filters: JobFilters): JobQuery<Row> {
  const { statuses, name, labels, created_after, created_before } = filters;
  return query
    .$if(statuses.length > 0, (q) => q.where('status', 'in', [...statuses]))
    .$if(name !== null, (q) => q.where('name', '=', name as string))
    .$if(Object.keys(labels).length > 0, (q) =>
      q.where(sql<boolean>`labels @> ${JSON.stringify(labels)}::jsonb
        and label_keys(labels) @> label_keys(${JSON.stringify(labels)}::jsonb)`),
    )
    .$if(created_after !== null, (q) => q.where(sql<boolean>`created_at > ${created_after}::timestamptz`))
    .$if(created_before !== null, (q) => q.where(sql<boolean>`created_at < ${created_before}::timestamptz`));
}

// Microseconds as an interval, because to_timestamp takes a double, which cannot hold them for ever.
function isOlderThan(position: JobPosition) {
  return sql<boolean>`(created_at, id) <
    (timestamptz 'epoch' + ${position.created_us}::bigint * interval '1 microsecond', ${position.id}::uuid)`;
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
