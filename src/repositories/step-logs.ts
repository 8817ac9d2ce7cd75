import { type Kysely, sql } from 'kysely';
import type { Tx } from '../database/store.ts';
import type { Tables } from '../database/tables.ts';
import { LIMITS } from '../domain/limits.ts';
import type { RunningStep } from './find-due.ts';

const GRACE = sql`clock_timestamp() - ${sql.lit(LIMITS.logGrace)} * interval '1 millisecond'`;

/**
 * Appends a chunk to the log of a claim's attempt, if the claim is valid or ended less than the grace ago and
 * `start` is where the log ends. Returns whether it was taken.
 */
export async function insertLogChunk(
  tx: Tx,
  claim: RunningStep & { attempt: number },
  start: number,
  data: Uint8Array,
): Promise<boolean> {
  const { rows } = await sql`
    insert into step_log (job_id, ordinal, attempt, start, data)
    select s.job_id, s.ordinal, ${claim.attempt}, ${start}, ${Buffer.from(data)}
    from (
      -- The lock keeps the job from being deleted in between, which would leave these bytes behind.
      select * from step where job_id = ${claim.job_id} and ordinal = ${claim.ordinal} for key share
    ) s
    where s.job_id = ${claim.job_id} and s.ordinal = ${claim.ordinal}
      and (
        (s.claim_id = ${claim.claim_id} and s.attempt = ${claim.attempt}
          and (s.finished_at is null or s.finished_at > ${GRACE}))
        or exists (
          select 1 from attempt a
          where a.job_id = s.job_id and a.ordinal = s.ordinal and a.attempt = ${claim.attempt}
            and a.claim_id = ${claim.claim_id} and a.finished_at > ${GRACE}
        )
      )
      and ${start} = coalesce((
        select l.start + octet_length(l.data) from step_log l
        where l.job_id = s.job_id and l.ordinal = s.ordinal and l.attempt = ${claim.attempt}
        order by l.start desc limit 1
      ), 0)
    on conflict do nothing
    returning 1`.execute(tx);
  return rows.length === 1;
}

/** Lets one transaction at a time append to the log of a claim. */
export async function lockLog(tx: Tx, claimId: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${claimId}, 0))`.execute(tx);
}

/**
 * Which attempt the claim was for, and whether its log still takes lines: while it runs and for the grace after its end.
 * Null when there never was such a claim.
 */
export async function findLogOfClaim(
  db: Kysely<Tables>,
  { job_id, ordinal, claim_id }: RunningStep,
): Promise<{ attempt: number; open: boolean } | null> {
  const { rows } = await sql<{ attempt: number; open: boolean }>`
    select attempt, finished_at > ${GRACE} as open from attempt
    where job_id = ${job_id} and ordinal = ${ordinal} and claim_id = ${claim_id}
    union all
    select attempt, finished_at is null or finished_at > ${GRACE} as open from step
    where job_id = ${job_id} and ordinal = ${ordinal} and claim_id = ${claim_id}
    limit 1`.execute(db);
  return rows[0] ?? null;
}
