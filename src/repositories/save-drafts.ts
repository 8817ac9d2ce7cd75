import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../database/store.ts';
import { BrokenRule } from '../domain/errors.ts';
import type { JobDraft } from '../domain/moves/draft.ts';
import { type BulkKind, bulkRows, castOf } from './bulk-rows.ts';
import { findChanges } from './draft-changes.ts';
import { changedJobs, changedSteps } from './draft-rows.ts';

/**
 * Writes what changed in the drafts, in one statement: steps, ended attempts and jobs. Only columns that some row
 * changes are named. Every step is guarded by the status and claim it had when it was loaded; should a guard not
 * hold, somebody moved a step without the job's lock, and the whole transaction ends.
 */
export async function saveDrafts(tx: Tx, drafts: readonly JobDraft[]): Promise<void> {
  const changed = drafts.filter((draft) => draft.jobChanged || draft.before.size > 0);
  if (changed.length === 0) return;
  const changes = findChanges(changed);
  const jobs = changedJobs(changes, 'as they are');
  const moves = changedSteps(changes, 'as they are').map(
    ({ rows, set }) => sql`update step t set ${set} from ${rows} where ${STEP_GUARD} returning 1`,
  );
  const { rows } = await sql<{ steps: number; jobs: number }>`
    with ${asMoves(moves)} ended as (${insertAttempts(changed)}),
    jobs as (update job t set ${jobs.set} from ${jobs.rows} where t.id = d.id returning 1)
    select ${countOf(moves)}::int4 as steps, (select count(*) from jobs)::int4 as jobs`.execute(tx);
  const [counts] = rows;
  if (counts?.steps !== changes.steps.length || counts.jobs !== changed.length) {
    throw new BrokenRule(
      `a guarded write found ${counts?.steps} of ${changes.steps.length} steps as it expected them`,
    );
  }
}

/** The updates of steps as parts of a larger statement, `moved_0` and so on. */
export function asMoves(moves: readonly RawBuilder<unknown>[]): RawBuilder<unknown> {
  return sql.join(
    moves.map((move, index) => sql`${sql.ref(`moved_${index}`)} as (${move}),`),
    sql` `,
  );
}

/** How many steps they moved together. */
export function countOf(moves: readonly RawBuilder<unknown>[]): RawBuilder<number> {
  const counts = moves.map((_, index) => sql`(select count(*) from ${sql.ref(`moved_${index}`)})`);
  return sql`(${sql.join([sql`0`, ...counts], sql` + `)})`;
}

/**
 * The step is as it was loaded. `status || ''` keeps the partial indexes out of the plan: statistics say that they are
 * empty, and the planner would scan one of them once a row.
 */
export const STEP_GUARD = sql`t.job_id = d.job_id and t.ordinal = d.ordinal
  and t.status || '' = d.old_status and t.claim_id is not distinct from d.old_claim`;

const ATTEMPT_KINDS = {
  job_id: 'uuid',
  ordinal: 'int4',
  attempt: 'int4',
  outcome: 'text',
  settled: 'bool',
  error: 'jsonb',
  claim_id: 'uuid',
  claimed_by: 'uuid',
  started_at: 'instant',
  finished_at: 'instant',
} as const satisfies Record<string, BulkKind>;

function insertAttempts(drafts: readonly JobDraft[]): RawBuilder<unknown> {
  const rows = drafts.flatMap(({ ended, job }) => ended.map((one) => ({ ...one, job_id: job.id })));
  if (rows.length === 0) return sql`select where false`;
  const names = Object.entries(ATTEMPT_KINDS);
  // An attempt that ended before a retry by hand is there already.
  return sql`insert into attempt (${sql.join(names.map(([name]) => sql.ref(name)))})
    select ${sql.join(names.map(([name, kind]) => castOf('d', name, kind)))}
    from ${bulkRows('d', ATTEMPT_KINDS, rows)}
    on conflict do nothing returning 1`;
}
