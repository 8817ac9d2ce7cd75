import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Tx } from '../database/store.ts';
import type { Tables } from '../database/tables.ts';
import { LIMITS } from '../domain/limits.ts';
import { bulkRows } from './bulk-rows.ts';
import { type LoadedStep, STEP_COLUMNS, type StepKey } from './load-steps.ts';
import { type LockedJob, lockJobsWhere } from './lock-jobs.ts';

/** Steps that somebody could take: of an action, in a queue, or in any if that is null, so many at most. */
export interface Wanted {
  queue: string | null;
  uses: string;
  max: number;
}

/** All that is wanted, and how many steps altogether at most: a worker of many actions takes no more than it has room for. */
export interface Demand {
  wanted: readonly Wanted[];
  total: number;
}

/** A queue and an action of which steps are ready, and how many of them to look at. */
export interface Lane {
  queue: string;
  uses: string;
  max: number;
}

const WANTED_KINDS = { queue: 'text', uses: 'text', max: 'int4' } as const;

/**
 * The lanes in which something is ready that is wanted, at one index probe each. Where any queue will do, those that
 * have ready steps are found by hopping over the index, one probe a queue. Beyond the limit chance decides, so that
 * every lane has its day.
 */
export async function findLanes(db: Kysely<Tables>, { wanted }: Demand): Promise<Lane[]> {
  const { rows } = await sql<Lane>`${withLanes(wanted)} select * from lane`.execute(db);
  return rows;
}

/**
 * The steps that come first in all these lanes together, in order, and of each lane so many that a crowded one hides none
 * of the others. Somebody else may be taking them.
 */
export async function peekReadySteps(db: Kysely<Tables>, { wanted, total }: Demand): Promise<StepKey[]> {
  const columns = sql`s.job_id, s.ordinal, s.priority, s.turn, ${NTH_OF_LANE}`;
  const { rows } = await sql<StepKey>`${withLanes(wanted)}
    select job_id, ordinal from (
      select s.*, row_number() over (order by s.priority desc, s.turn) as place
      from lane cross join lateral (${firstOfLane(columns, sql`lane.max`)}) s
    ) s where place <= ${total} or nth <= ceil(${total} / (select count(*) from lane)::float8)
    order by place`.execute(db);
  return rows;
}

const NTH_OF_LANE = sql`row_number() over (order by s.priority desc, s.turn) as nth`;

function withLanes(wanted: readonly Wanted[]): RawBuilder<unknown> {
  return sql`
    with recursive wanted as materialized (select * from ${bulkRows('w', WANTED_KINDS, wanted)}),
    filled (queue) as (
      (select s.queue from step s where s.status = 'ready' order by s.queue limit 1)
      union all
      select (select s.queue from step s where s.status = 'ready' and s.queue > f.queue order by s.queue limit 1)
      from filled f where f.queue is not null
    ), lane as materialized (
      select lane.queue, lane.uses, least(sum(lane.max), ${sql.lit(LIMITS.claimsPerRequest)})::int4 as max from (
        select queue, uses, max from wanted where queue is not null
        union all
        select f.queue, w.uses, w.max from wanted w cross join filled f
        where w.queue is null and f.queue is not null
      ) lane cross join lateral (${firstOfLane(sql`1`, sql.lit(1))}) ready
      group by lane.queue, lane.uses order by random() limit ${sql.lit(LIMITS.claimPairs)}
    )`;
}

/**
 * The same lanes with about twice as many steps in all as may be taken: what comes first over all of them, and of each
 * so many that a busy or crowded one hides none of the others. Whoever takes from a hundred queues would otherwise lock
 * a hundred times the jobs that there is room for.
 */
export async function narrowLanes(
  db: Kysely<Tables>,
  lanes: readonly Lane[],
  { total }: Demand,
): Promise<readonly Lane[]> {
  if (lanes.reduce((sum, { max }) => sum + max, 0) <= 2 * total) return lanes;
  const share = Math.ceil(total / lanes.length);
  const ofLane = sql`s.priority, s.turn, ${NTH_OF_LANE}`;
  const { rows } = await sql<Lane>`
    select queue, uses, count(*)::int4 as max from (
      select lane.queue, lane.uses, s.nth, row_number() over (order by s.priority desc, s.turn) as place
      from ${laneRows(lanes)} cross join lateral (${firstOfLane(ofLane, sql`lane.max`)}) s
    ) s where place <= ${total} or nth <= ${share} group by queue, uses`.execute(db);
  return rows;
}

/** Locks the jobs whose steps come first in these lanes. */
export async function lockClaimableJobs(
  tx: Tx,
  lanes: readonly Lane[],
  mode: 'wait' | 'skip',
): Promise<LockedJob[]> {
  // An array, so that the candidates are looked up once, whatever the planner thinks of it.
  return lockJobsWhere(
    tx,
    sql`id = any(array(
      select s.job_id from ${laneRows(lanes)}
      cross join lateral (${firstOfLane(sql`s.job_id`, sql`lane.max`)}) s
    ))`,
    mode,
  );
}

// As many as the largest job may have ready: so far a look past one busy job must reach.
const FAR_STEPS = LIMITS.stepsPerJob;
const FAR_JOBS = 256;

/** Locks jobs that nobody holds, looking far past the first ones: for when those are stuck. */
export async function lockFartherJobs(tx: Tx, lanes: readonly Lane[]): Promise<LockedJob[]> {
  return lockJobsWhere(
    tx,
    sql`id = any(array(
      select s.job_id from ${laneRows(lanes)}
      cross join lateral (${firstOfLane(sql`s.job_id, s.priority, s.turn`, sql.lit(FAR_STEPS))}) s
      group by s.job_id order by max(s.priority) desc, min(s.turn) limit ${sql.lit(FAR_JOBS)}
    ))`,
    'skip',
  );
}

/**
 * Picks the steps to take from locked jobs, in order. `near` looks past steps of jobs that are not locked, but not
 * far: better a short answer than a long scan. `far` reads every ready step of the locked jobs.
 */
export async function pickReadySteps(
  tx: Tx,
  lanes: readonly Lane[],
  jobIds: readonly string[],
  reach: 'near' | 'far',
): Promise<LoadedStep[]> {
  const isLocked = sql`s.job_id = any(${sql.val([...jobIds])}::uuid[])`;
  const candidates =
    reach === 'near'
      ? sql`select * from (${firstOfLane(STEP_COLUMNS, sql`lane.max * 4`)}) s
          where ${isLocked} order by s.priority desc, s.turn limit lane.max`
      : firstOfLane(STEP_COLUMNS, sql`lane.max`, isLocked);
  const { rows } = await sql<LoadedStep>`
    select s.* from ${laneRows(lanes)}
    cross join lateral (${candidates}) s order by s.priority desc, s.turn`.execute(tx);
  return rows;
}

function laneRows(lanes: readonly Lane[]): RawBuilder<unknown> {
  return bulkRows('lane', WANTED_KINDS, lanes);
}

// A lateral limit a lane reads only what it returns; one condition over all lanes would sort every ready row.
function firstOfLane(
  columns: RawBuilder<unknown>,
  limit: RawBuilder<unknown>,
  condition: RawBuilder<unknown> = sql`true`,
): RawBuilder<unknown> {
  return sql`select ${columns} from step s
    where s.status = 'ready' and s.queue = lane.queue and s.uses = lane.uses and ${condition}
    order by s.priority desc, s.turn limit ${limit}`;
}
