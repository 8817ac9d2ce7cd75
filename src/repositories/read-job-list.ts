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

type Page = { limit: number; after: JobPosition | null };

/** A query for the jobs of a page and one more, newest first. */
export function chooseJobs(db: Kysely<Tables>, filters: JobFilters, page: Page) {
  const walks = walksOf(filters);
  const atOnce = walks.length < (hasAny(filters.labels) ? 2 : 1);
  return atOnce ? firstJobs(db, filters, page) : mergeWalks(db, walks, filters, page);
}

/**
 * The statuses to go over one by one, each in the order of its index, to merge what they give. An index has the jobs of
 * several statuses in no order: all of them would be sorted, or all that are newer would be read. The one by name is
 * by status too, so that what few jobs of a name have is found without a look at the many others. None: over all jobs.
 */
function walksOf({ statuses, name }: JobFilters): JobStatus[] {
  return statuses.length === 0 && name !== null ? [...JOB_STATUSES] : [...new Set(statuses)];
}

/** The first jobs of the page and one more, newest first. */
function firstJobs(db: Kysely<Tables>, filters: JobFilters, { limit, after }: Page) {
  return filterJobs(db.selectFrom('job'), filters)
    .select(JOB_COLUMNS)
    .$if(after !== null, (query) =>
      query.where(sql<boolean>`(created_at, id) < (${placeOf(after as JobPosition)})`),
    )
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit + 1);
}

/** The same from the first ones of each status. */
function mergeWalks(db: Kysely<Tables>, walks: readonly JobStatus[], filters: JobFilters, page: Page) {
  const walk = sql<{ status: JobStatus }>`unnest(${sql.val([...walks])}::text[])`;
  return db
    .selectFrom(walk.as<'walk'>(sql`walk (status)`))
    .crossJoinLateral(firstOfWalk(db, filters, page).as('job'))
    .selectAll('job')
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(page.limit + 1);
}

/**
 * The first jobs of the status of `walk`. Compared as rows, and in the order of all columns, because only the index of
 * these very columns gives that: when name and status are compared each by itself, they are looked for in whatever
 * index old statistics speak for, where very many other jobs may stand in front. But with labels their own index may be
 * the best: there the planner has to choose, and is told in terms that it can estimate.
 */
function firstOfWalk(db: Kysely<Tables>, filters: JobFilters, page: Page) {
  const { name, labels, created_after, created_before } = filters;
  const { limit, after } = page;
  if (hasAny(labels)) {
    return firstJobs(db, { ...filters, statuses: [] }, page).where(sql<boolean>`status = walk.status`);
  }
  const columns = name === null ? sql`status` : sql`name, status`;
  const values = name === null ? sql`walk.status` : sql`${name}::text, walk.status`;
  const isBefore = sql<boolean>`created_at < ${created_before ?? 'infinity'}::timestamptz`;
  // Of two upper ends an index could take the wrong one: the place of the page is the nearer one.
  const isOlder =
    after === null
      ? sql<boolean>`(${columns}, created_at) < (${values}, ${created_before ?? 'infinity'}::timestamptz)`
      : sql<boolean>`(${columns}, created_at, id) < (${values}, ${placeOf(after)}) and ${isBefore}`;
  return db
    .selectFrom('job')
    .select(JOB_COLUMNS)
    .where(sql<boolean>`(${columns}, created_at) > (${values}, ${created_after ?? '-infinity'}::timestamptz)`)
    .where(isOlder)
    .$if(name !== null, (query) => query.orderBy('name', 'desc'))
    .orderBy('status', 'desc')
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit + 1);
}

type JobQuery<Row> = SelectQueryBuilder<Tables, 'job', Row>;

/** Adds all conditions at once: for who counts. */
export function filterJobs<Row>(query: JobQuery<Row>, filters: JobFilters): JobQuery<Row> {
  const { statuses, name, labels, created_after, created_before } = filters;
  return query
    .$if(statuses.length > 0, (q) => q.where('status', 'in', [...statuses]))
    .$if(name !== null, (q) => q.where('name', '=', name as string))
    .$if(hasAny(labels), (q) => q.where(hasLabels(labels)))
    .$if(created_after !== null, (q) => q.where(sql<boolean>`created_at > ${created_after}::timestamptz`))
    .$if(created_before !== null, (q) => q.where(sql<boolean>`created_at < ${created_before}::timestamptz`));
}

/** Whether any label is asked for. */
export function hasAny(labels: Record<string, string>): boolean {
  return Object.keys(labels).length > 0;
}

function hasLabels(labels: Record<string, string>) {
  const wanted = JSON.stringify(labels);
  return sql<boolean>`labels @> ${wanted}::jsonb and label_keys(labels) @> label_keys(${wanted}::jsonb)`;
}

// Microseconds as an interval, because to_timestamp takes a double, which cannot hold them for ever.
function placeOf({ created_us, id }: JobPosition) {
  return sql`timestamptz 'epoch' + ${created_us}::bigint * interval '1 microsecond', ${id}::uuid`;
}
