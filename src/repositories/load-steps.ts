import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../database/store.ts';
import { LIMITS } from '../domain/limits.ts';
import type { StepState } from '../domain/moves/draft.ts';
import { bulkRows, instant } from './bulk-rows.ts';

/** Where a step is. */
export interface StepKey {
  job_id: string;
  ordinal: number;
}

export type LoadedStep = StepState & { job_id: string };

/** What the engine reads of a step: neither its `with` nor its output, which may be large. */
export const STEP_COLUMNS = sql`s.job_id, s.ordinal, s.name, s.uses, s.queue, s.priority, s.dependents,
  s."if" is not null as has_if, s.if_uses_status, s.continue_on_error, s.timeout_ms, s.max_attempts, s.max_losses,
  s.backoff, s.retry_delay_ms, s.retry_max_delay_ms, s.retry_jitter, s.status, s.reason, s.unmet, s.undecided,
  s.need_not_succeeded, s.failed_above, s.version, s.attempt, s.failures, s.losses, s.releases, s.claim_id,
  s.claimed_by, ${instant('s.claim_expires_at')} as claim_expires_at, s.progress, s.error,
  ${instant('s.turn')} as turn, ${instant('s.ready_at')} as ready_at, ${instant('s.started_at')} as started_at,
  ${instant('s.finished_at')} as finished_at, ${instant('s.wake_at')} as wake_at`;

const KEYS = { job_id: 'uuid', ordinal: 'int4' } as const;

/** The steps by their keys, and their direct dependents with them: what nearly every change needs. */
export async function loadStepsAndDependents(tx: Tx, keys: readonly StepKey[]): Promise<LoadedStep[]> {
  // The laterals with `offset 0` pin the plan to one primary-key lookup a key, whatever the statistics say of a
  // table that churns.
  const { rows } = await sql<LoadedStep>`
    with target as materialized (
      select s.* from ${bulkRows('k', KEYS, keys)}
      cross join lateral (
        select ${STEP_COLUMNS} from step s where s.job_id = k.job_id and s.ordinal = k.ordinal offset 0
      ) s
    ), dependent as (
      select distinct t.job_id, d.ordinal from target t cross join lateral unnest(t.dependents) as d (ordinal)
    )
    select * from target
    union all
    select s.* from dependent k
    cross join lateral (
      select ${STEP_COLUMNS} from step s where s.job_id = k.job_id and s.ordinal = k.ordinal offset 0
    ) s`.execute(tx);
  return rows;
}

/**
 * The steps by their keys, and what a skip could reach below them. `near` follows a step only where one more need is
 * unmet, which keeps a small cascade small; `all` follows every step that could be skipped.
 */
export async function loadStepsBelow(
  tx: Tx,
  keys: readonly StepKey[],
  reach: 'near' | 'all',
): Promise<LoadedStep[]> {
  const near = reach === 'near' ? sql`and s.unmet = 1` : sql``;
  const { rows } = await sql<LoadedStep>`
    with recursive below (job_id, ordinal) as (
      select k.job_id, k.ordinal from ${bulkRows('k', KEYS, keys)}
      union
      select s.job_id, d.ordinal from below b
      join step s on s.job_id = b.job_id and s.ordinal = b.ordinal
      cross join lateral unnest(s.dependents) as d (ordinal)
      where s.finished_at is null and not s.if_uses_status ${near}
    )
    select s.* from below k
    cross join lateral (
      select ${STEP_COLUMNS} from step s where s.job_id = k.job_id and s.ordinal = k.ordinal offset 0
    ) s`.execute(tx);
  return rows;
}

/** Every step of the jobs that has not ended. */
export async function loadOpenSteps(tx: Tx, jobIds: readonly string[]): Promise<LoadedStep[]> {
  return loadStepsWhere(tx, sql`s.job_id = any(${sql.val([...jobIds])}::uuid[]) and s.finished_at is null`);
}

/** All steps of several jobs, with the small and literal `with`s: enough to remember the jobs. */
export async function loadWholeJobs(tx: Tx, jobIds: readonly string[]): Promise<LoadedStep[]> {
  const { rows } = await sql<LoadedStep>`
    select s.* from unnest(${sql.val([...jobIds])}::uuid[]) as k (job_id)
    cross join lateral (
      select ${STEP_COLUMNS}, case when s.with_reads is null and coalesce(octet_length(s."with"::text), 0) <=
        ${sql.lit(LIMITS.rememberedValue)} then jsonb_build_object('with', s."with") end as work
      from step s where s.job_id = k.job_id offset 0
    ) s`.execute(tx);
  return rows;
}

/** Every step of the job, with what it needs. */
export async function loadAllSteps(tx: Tx, jobId: string): Promise<(LoadedStep & { needs: number[] })[]> {
  const { rows } = await sql<LoadedStep & { needs: number[] }>`
    select ${STEP_COLUMNS}, s.needs from step s where s.job_id = ${jobId} order by s.ordinal`.execute(tx);
  return rows;
}

/** The first `limit` held steps of each job, in order; the index holds nothing else. */
export async function loadHeldSteps(
  tx: Tx,
  jobs: readonly { job_id: string; limit: number }[],
): Promise<LoadedStep[]> {
  const { rows } = await sql<LoadedStep>`
    select s.* from ${bulkRows('k', { job_id: 'uuid', limit: 'int4' }, jobs)}
    cross join lateral (
      select ${STEP_COLUMNS} from step s
      where s.job_id = k.job_id and s.status = 'pending' and s.unmet = 0 and not s.undecided
      order by s.ordinal limit k."limit"
    ) s`.execute(tx);
  return rows;
}

async function loadStepsWhere(tx: Tx, condition: RawBuilder<unknown>): Promise<LoadedStep[]> {
  const { rows } = await sql<LoadedStep>`select ${STEP_COLUMNS} from step s where ${condition}`.execute(tx);
  return rows;
}
