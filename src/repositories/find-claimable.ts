import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../database/store.ts';
import { LIMITS } from '../domain/limits.ts';
import { bulkRows } from './bulk-rows.ts';
import { type LoadedStep, STEP_COLUMNS } from './load-steps.ts';
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

/** Locks the jobs whose steps come first among those that are wanted. */
export async function lockClaimableJobs(tx: Tx, demand: Demand, mode: 'wait' | 'skip'): Promise<LockedJob[]> {
  // An array, so that the candidates are looked up once, whatever the planner thinks of it.
  return lockJobsWhere(
    tx,
    sql`id = any(array(
      with recursive ${lanes(demand, 'near')}
      select c.job_id from pair cross join lateral (${firstOfPair(sql`s.job_id`, sql`pair.max`)}) c
    ))`,
    mode,
  );
}

// As many as the largest job may have ready: so far a look past one busy job must reach.
const FAR_STEPS = LIMITS.stepsPerJob;
const FAR_JOBS = 256;

/** Locks jobs that nobody holds, looking far past the first ones: for when those are stuck. */
export async function lockFartherJobs(tx: Tx, demand: Demand): Promise<LockedJob[]> {
  return lockJobsWhere(
    tx,
    sql`id = any(array(
      with recursive ${lanes(demand, 'far')}
      select c.job_id from pair
      cross join lateral (${firstOfPair(sql`s.job_id, s.priority, s.turn`, sql.lit(FAR_STEPS))}) c
      group by c.job_id order by max(c.priority) desc, min(c.turn) limit ${sql.lit(FAR_JOBS)}
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
  demand: Demand,
  jobIds: readonly string[],
  reach: 'near' | 'far',
): Promise<LoadedStep[]> {
  const isLocked = sql`s.job_id = any(${sql.val([...jobIds])}::uuid[])`;
  const candidates =
    reach === 'near'
      ? sql`select * from (${firstOfPair(STEP_COLUMNS, sql`pair.max * 4`)}) s
          where ${isLocked} order by s.priority desc, s.turn limit pair.max`
      : firstOfPair(STEP_COLUMNS, sql`pair.max`, isLocked);
  const { rows } = await sql<LoadedStep>`
    with recursive ${lanes(demand, reach)}
    select s.* from pair cross join lateral (${candidates}) s order by s.priority desc, s.turn`.execute(tx);
  return rows;
}

const WANTED_KINDS = { queue: 'text', uses: 'text', max: 'int4' } as const;

// The (queue, action) pairs to look at: those that have a ready step, one index probe each. Where any queue will do,
// those that have ready steps are found by hopping over the index, one probe a queue. Beyond the limit chance decides,
// so that every pair has its day.
//
// `near`, no more is looked at in all than about twice of what may be taken: what comes first over all pairs, and of
// each pair so many that a busy or crowded one hides none of the others. A worker that takes from a hundred queues would
// lock a hundred times the jobs that it has room for.
function lanes({ wanted, total }: Demand, reach: 'near' | 'far'): RawBuilder<unknown> {
  return sql`wanted as materialized (select * from ${bulkRows('w', WANTED_KINDS, wanted)}),
  lane (queue) as (
    (select s.queue from step s where s.status = 'ready' order by s.queue limit 1)
    union all
    select (select s.queue from step s where s.status = 'ready' and s.queue > l.queue order by s.queue limit 1)
    from lane l where l.queue is not null
  ), offered as materialized (
    select queue, uses, least(sum(max), ${sql.lit(LIMITS.claimsPerRequest)})::int4 as max from (
      select queue, uses, max from wanted where queue is not null
      union all
      select l.queue, w.uses, w.max from wanted w cross join lane l where w.queue is null and l.queue is not null
    ) p cross join lateral (
      select 1 from step s where s.status = 'ready' and s.queue = p.queue and s.uses = p.uses limit 1
    ) ready
    group by queue, uses order by random() limit ${sql.lit(LIMITS.claimPairs)}
  ), pair as materialized (${reach === 'far' ? sql`select * from offered` : firstOverAll(total)})`;
}

function firstOverAll(total: number): RawBuilder<unknown> {
  const ofPair = sql`s.priority, s.turn, row_number() over (order by s.priority desc, s.turn) as nth`;
  const few = sql`(select sum(max) from offered) <= ${2 * total}`;
  return sql`select * from offered where ${few}
    union all
    select queue, uses, count(*)::int4 from (
      select pair.queue, pair.uses, s.nth, row_number() over (order by s.priority desc, s.turn) as place
      from offered pair cross join lateral (${firstOfPair(ofPair, sql`pair.max`)}) s
      where not ${few}
    ) s
    where place <= ${total} or nth <= ceil(${total}::float8 / (select count(*) from offered))
    group by queue, uses`;
}

// A lateral limit a pair reads only what it returns; one condition over all pairs would sort every ready row.
function firstOfPair(
  columns: RawBuilder<unknown>,
  limit: RawBuilder<unknown>,
  condition: RawBuilder<unknown> = sql`true`,
): RawBuilder<unknown> {
  return sql`select ${columns} from step s
    where s.status = 'ready' and s.queue = pair.queue and s.uses = pair.uses and ${condition}
    order by s.priority desc, s.turn limit ${limit}`;
}
