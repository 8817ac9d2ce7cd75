import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../database/store.ts';
import { LIMITS } from '../domain/limits.ts';
import { bulkRows } from './bulk-rows.ts';
import { type LoadedStep, STEP_COLUMNS } from './load-steps.ts';
import { type LockedJob, lockJobsWhere } from './lock-jobs.ts';

/** What a worker is able to take. */
export interface Wanted {
  /** For each action, how many of its steps at most (of each queue: the caller chooses among them). */
  uses: readonly { uses: string; max: number }[];
  /** Null: every queue. */
  queues: readonly string[] | null;
}

/** Locks the jobs whose steps come first among those the worker could take now. */
export async function lockClaimableJobs(tx: Tx, wanted: Wanted, mode: 'wait' | 'skip'): Promise<LockedJob[]> {
  // An array, so that the candidates are looked up once, whatever the planner thinks of it.
  return lockJobsWhere(
    tx,
    sql`id = any(array(
      with recursive ${lanes(wanted)}
      select c.job_id from pair cross join lateral (${firstOfPair(sql`s.job_id`, sql`pair.max`)}) c
    ))`,
    mode,
  );
}

// As many as the largest job may have ready: so far a look past one busy job must reach.
const FAR_STEPS = LIMITS.stepsPerJob;
const FAR_JOBS = 256;

/** Locks jobs that nobody holds, looking far past the first ones: for when those are stuck. */
export async function lockFartherJobs(tx: Tx, wanted: Wanted): Promise<LockedJob[]> {
  return lockJobsWhere(
    tx,
    sql`id = any(array(
      with recursive ${lanes(wanted)}
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
  wanted: Wanted,
  jobIds: readonly string[],
  reach: 'near' | 'far',
): Promise<LoadedStep[]> {
  const isLocked = sql`s.job_id = any(${sql.val([...jobIds])}::uuid[])`;
  const candidates =
    reach === 'near'
      ? firstOfPair(STEP_COLUMNS, sql`pair.max * 4`)
      : firstOfPair(STEP_COLUMNS, sql`pair.max`, isLocked);
  const { rows } = await sql<LoadedStep>`
    with recursive ${lanes(wanted)}
    select s.* from pair cross join lateral (${candidates}) s
    where ${isLocked} order by s.priority desc, s.turn`.execute(tx);
  return rows;
}

// The (queue, action) pairs to look at, each with one index probe. Queues that the worker does not name are found by
// hopping over the index, one probe a queue. Beyond the limit, chance decides, so that every pair has its day.
function lanes({ uses, queues }: Wanted): RawBuilder<unknown> {
  const lane =
    queues === null
      ? sql`(select s.queue from step s where s.status = 'ready' order by s.queue limit 1)
        union all
        select (select s.queue from step s where s.status = 'ready' and s.queue > l.queue order by s.queue limit 1)
        from lane l where l.queue is not null`
      : sql`select unnest(${sql.val([...queues])}::text[])`;
  return sql`lane (queue) as (${lane}), pair as materialized (
    select l.queue, u.uses, u.max from lane l cross join ${bulkRows('u', { uses: 'text', max: 'int4' }, uses)}
    where l.queue is not null order by random() limit ${sql.lit(LIMITS.claimPairs)})`;
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
