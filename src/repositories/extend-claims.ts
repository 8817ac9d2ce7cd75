import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../database/store.ts';
import { bulkRows } from './bulk-rows.ts';
import type { RunningStep } from './find-due.ts';
import { CLAIM_KINDS, TRACE_COLUMNS, type TraceRow, traceJoins } from './trace-claims.ts';

const EXTEND_KINDS = { ...CLAIM_KINDS, ttl_ms: 'int4' } as const;

/** A claim and how long it is to be valid from now on; null: as long as it was granted for. */
export interface Extend extends RunningStep {
  ttl_ms: number | null;
}

/**
 * Pushes the expiry of the listed claims to now + ttl, never past the attempt's or the job's deadline. Writes nothing
 * else: no counter, no version, and so it needs no lock on the job. It takes step rows without the job's lock,
 * therefore it must never wait for one: a locked row is skipped, and will be extended the next time.
 */
function pushExpiry(claims: readonly Extend[], defaultTtlMs: number): RawBuilder<unknown> {
  return sql`
    held as materialized (
      select s.job_id, s.ordinal, k.ttl_ms from ${bulkRows('k', EXTEND_KINDS, claims)}
      join step s on s.job_id = k.job_id and s.ordinal = k.ordinal
      where s.claim_id = k.claim_id and s.status || '' = 'running'
      order by s.job_id, s.ordinal
      for no key update of s skip locked
    ), pushed as (
      update step s set claim_expires_at = least(
        clock_timestamp() + coalesce(h.ttl_ms, s.claim_ttl_ms, ${defaultTtlMs}) * interval '1 millisecond',
        s.started_at + s.timeout_ms * interval '1 millisecond',
        j.deadline_at
      )
      from held h join job j on j.id = h.job_id
      where s.job_id = h.job_id and s.ordinal = h.ordinal and s.status || '' = 'running'
      returning s.claim_id, s.claim_expires_at
    )`;
}

/** Extends the listed claims, each by the same ttl. */
export async function pushClaimExpiry(tx: Tx, claims: readonly RunningStep[], ttlMs: number): Promise<void> {
  const extend = claims.map((claim) => ({ ...claim, ttl_ms: ttlMs }));
  await sql`with ${pushExpiry(extend, ttlMs)} select 1 from pushed`.execute(tx);
}

/** What an extend found: what is stored of the claim, who has it and how long it is valid now. */
export type ExtendedRow = TraceRow & { claimed_by: string; expires_in_ms: number | null };

/**
 * Extends the listed claims, of which none stands there twice, and says what became of each in the same statement;
 * claims that never were are left out. One that somebody settles just now is told as it was before.
 */
export async function extendAndTrace(
  tx: Tx,
  claims: readonly Extend[],
  defaultTtlMs: number,
): Promise<ExtendedRow[]> {
  const { rows } = await sql<ExtendedRow>`
    with ${pushExpiry(claims, defaultTtlMs)}
    select ${TRACE_COLUMNS}, s.claimed_by, (extract(epoch from
      coalesce(p.claim_expires_at, s.claim_expires_at) - clock_timestamp()) * 1000)::float8 as expires_in_ms
    from ${bulkRows('k', CLAIM_KINDS, claims)} ${traceJoins}
    left join pushed p on p.claim_id = k.claim_id
    where s.claim_id = k.claim_id or a.outcome is not null`.execute(tx);
  return rows;
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
