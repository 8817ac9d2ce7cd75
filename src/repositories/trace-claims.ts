import { type Kysely, sql } from 'kysely';
import type { Tables } from '../database/tables.ts';
import type { ClaimTrace } from '../domain/claim-end.ts';
import type { ClaimKey } from '../domain/claim-id.ts';
import { bulkRows } from './bulk-rows.ts';

/** How the key of a claim travels. */
export const CLAIM_KINDS = { job_id: 'uuid', ordinal: 'int4', claim_id: 'uuid' } as const;

export interface TraceRow {
  claim_id: string;
  /** Whether the step has no later claim. */
  is_latest: boolean;
  status: NonNullable<ClaimTrace['step']>['status'];
  reason: string | null;
  wakes_in_ms: number | null;
  outcome: NonNullable<ClaimTrace['attempt']>['outcome'] | null;
  settled: boolean;
  removed: boolean;
}

export const TRACE_COLUMNS = sql`k.claim_id, s.claim_id = k.claim_id as is_latest, s.status, s.reason,
  (extract(epoch from s.wake_at - clock_timestamp()) * 1000)::float8 as wakes_in_ms, a.outcome,
  coalesce(a.settled, false) as settled, coalesce(a.removed, false) as removed`;

/** To each claim `k` its step `s` and its attempt `a`; the laterals with `offset 0` pin primary-key lookups. */
export const traceJoins = sql`
  cross join lateral (
    select s.claim_id, s.claimed_by, s.claim_expires_at, s.status, s.reason, s.wake_at
    from step s where s.job_id = k.job_id and s.ordinal = k.ordinal offset 0
  ) s
  left join lateral (
    -- A worker that gives a step back says nothing of why.
    select a.outcome, a.settled, a.outcome = 'released' and a.error is not null as removed from attempt a
    where a.job_id = k.job_id and a.ordinal = k.ordinal and a.claim_id = k.claim_id offset 0
  ) a on true`;

/** What is stored about the step and the attempt of each claim, by the claim's id; what never was is left out. */
export async function traceClaims(
  db: Kysely<Tables>,
  keys: readonly ClaimKey[],
): Promise<Map<string, ClaimTrace>> {
  const { rows } = await sql<TraceRow>`
    select ${TRACE_COLUMNS} from ${bulkRows('k', CLAIM_KINDS, keys)} ${traceJoins}
    where s.claim_id = k.claim_id or a.outcome is not null`.execute(db);
  return new Map(rows.map((row) => [row.claim_id, traceOf(row)]));
}

export function traceOf(row: TraceRow): ClaimTrace {
  const { is_latest, status, reason, wakes_in_ms, outcome, settled, removed } = row;
  return {
    step: is_latest ? { status, reason, wakes_in_ms } : null,
    attempt: outcome === null ? null : { outcome, settled, removed },
  };
}
