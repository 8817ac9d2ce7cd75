import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Tables } from '../database/tables.ts';
import type { JobDraft } from '../domain/moves/draft.ts';
import { bulkRows } from './bulk-rows.ts';
import { findChanges, setClock } from './draft-changes.ts';
import { changedJobs, changedSteps } from './draft-rows.ts';
import { DATABASE_RUN } from './lock-jobs.ts';
import { asMoves, countOf, STEP_GUARD } from './save-drafts.ts';

/**
 * Writes drafts that were made from memory, each only if its job is still as it was remembered: one statement, a
 * transaction by itself. Jobs that somebody holds, or has changed, are left alone.
 *
 * The job's version is compared under its lock: a statement that had to look at a row again sees the newest one. The same
 * version in the same run of the database (`database`) means that nobody changed the job or its steps since, and so the
 * steps that the statement saw from its beginning are those that were remembered. Should one not be, the division by zero
 * ends it all. A worker that is handed a step (`workers`) must not be leaving; else nothing is written.
 *
 * The drafts' instants are told by their distance from `draft.now`, and set right afterwards in those that were written.
 * Returns the ids of these.
 */
export async function saveUnchanged(
  db: Kysely<Tables>,
  drafts: readonly JobDraft[],
  { database, workers }: { database: string; workers: readonly string[] },
): Promise<ReadonlySet<string>> {
  const ordered = [...drafts].sort((a, b) => (a.job.id < b.job.id ? -1 : 1));
  const changes = findChanges(ordered);
  const jobs = changedJobs(changes, 'from the clock');
  const moves = changedSteps(changes, 'from the clock').map(({ rows, set }) => {
    return sql`update step t set ${set} from c, ${rows} where ${isLocked(sql`d.job_id`)} and ${STEP_GUARD} returning 1`;
  });
  const expected = sql`(select coalesce(sum(k.steps), 0)
    from ${bulkRows('k', { id: 'uuid', steps: 'int4' }, ordered.map(sizeOf))} where ${isLocked(sql`k.id`)})`;
  const { rows } = await sql<{ saved: string[]; now: number }>`
    with c as materialized (select clock_timestamp() as now),
    locked as materialized (
      select j.id from ${bulkRows('k', { id: 'uuid', version: 'int4' }, ordered.map(versionOf))}
      cross join lateral (
        select j.id from job j where j.id = k.id and j.version = k.version for no key update skip locked
      ) j
      where ${DATABASE_RUN} = ${database} and ${stay(workers)}
    ),
    ${asMoves(moves)}
    jobs as (update job t set ${jobs.set} from c, ${jobs.rows} where ${isLocked(sql`d.id`)} and t.id = d.id)
    select array(select id::text from locked) as saved, (extract(epoch from c.now) * 1000)::float8 as now,
      1 / (${countOf(moves)} = ${expected})::int4
    from c`.execute(db);
  const { saved, now } = rows[0] as { saved: string[]; now: number };
  const ids = new Set(saved);
  setClock(changes, ids, now);
  return ids;
}

/**
 * Is looked up in a hash, which `is true` makes the planner keep to: it takes the locked jobs for a few, and would join
 * each row with every one of them.
 */
function isLocked(id: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql`(${id} in (select id from locked)) is true`;
}

function versionOf({ job, jobBefore }: JobDraft) {
  return { id: job.id, version: jobBefore.version };
}

function sizeOf({ job, before }: JobDraft) {
  return { id: job.id, steps: before.size };
}

function stay(workers: readonly string[]) {
  if (workers.length === 0) return sql`true`;
  return sql`not exists (
    select from unnest(${sql.val([...workers])}::uuid[]) as w (id)
    left join worker r on r.id = w.id and r.kind = 'remote' where r.command is distinct from 'run'
  )`;
}
