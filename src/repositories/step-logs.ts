import { sql } from 'kysely';
import type { Tx } from '../database/store.ts';
import { LIMITS } from '../domain/limits.ts';
import type { RunningStep } from './find-due.ts';

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
      and s.claim_id = ${claim.claim_id} and s.attempt = ${claim.attempt}
      and (s.finished_at is null
        or s.finished_at > clock_timestamp() - ${LIMITS.logGrace} * interval '1 millisecond')
      and ${start} = coalesce((
        select l.start + octet_length(l.data) from step_log l
        where l.job_id = s.job_id and l.ordinal = s.ordinal and l.attempt = ${claim.attempt}
        order by l.start desc limit 1
      ), 0)
    on conflict do nothing
    returning 1`.execute(tx);
  return rows.length === 1;
}
