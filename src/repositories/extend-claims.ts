import { sql } from 'kysely';
import type { Tx } from '../database/store.ts';
import { bulkRows } from './bulk-rows.ts';
import type { RunningStep } from './find-due.ts';

const CLAIM_KINDS = { job_id: 'uuid', ordinal: 'int4', claim_id: 'uuid' } as const;

/**
 * Pushes the expiry of the listed claims to now + ttl, never past the attempt's or the job's deadline. Writes nothing
 * else: no counter, no version, and so it needs no lock on the job. It takes step rows without the job's lock,
 * therefore it must never wait for one: a locked row is skipped, and will be extended the next time.
 */
export async function pushClaimExpiry(tx: Tx, claims: readonly RunningStep[], ttlMs: number): Promise<void> {
  await sql`
    with held as materialized (
      select s.job_id, s.ordinal from ${bulkRows('k', CLAIM_KINDS, claims)}
      join step s on s.job_id = k.job_id and s.ordinal = k.ordinal
      where s.claim_id = k.claim_id and s.status || '' = 'running'
      order by s.job_id, s.ordinal
      for no key update of s skip locked
    )
    update step s set claim_expires_at = least(
      clock_timestamp() + ${ttlMs} * interval '1 millisecond',
      s.started_at + s.timeout_ms * interval '1 millisecond',
      j.deadline_at
    )
    from held h join job j on j.id = h.job_id
    where s.job_id = h.job_id and s.ordinal = h.ordinal and s.status || '' = 'running'`.execute(tx);
}

/** Which of the claims are no longer valid. */
export async function findLostClaims(tx: Tx, claims: readonly RunningStep[]): Promise<string[]> {
  const { rows } = await sql<{ claim_id: string }>`
    select k.claim_id from ${bulkRows('k', CLAIM_KINDS, claims)}
    left join lateral (
      select s.claim_id, s.status from step s where s.job_id = k.job_id and s.ordinal = k.ordinal offset 0
    ) s on true
    where s.claim_id is distinct from k.claim_id or s.status || '' <> 'running'`.execute(tx);
  return rows.map((row) => row.claim_id);
}
