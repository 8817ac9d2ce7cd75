import type { Store } from '../database/store.ts';
import { inOneStatement, inTransaction } from '../database/transaction.ts';
import { type ClaimEnd, claimEndOf } from '../domain/claim-end.ts';
import type { ClaimKey } from '../domain/claim-id.ts';
import {
  type ExtendedRow,
  extendAndTrace,
  findLostClaims,
  pushClaimExpiry,
} from '../repositories/extend-claims.ts';
import type { RunningStep } from '../repositories/find-due.ts';
import { touchWorkers } from '../repositories/remote-workers.ts';
import { traceOf } from '../repositories/trace-claims.ts';

/**
 * Extends the claims that are listed, and only those: a claim whose answer got lost on the way must be able to expire.
 * Returns the ids of those that are no longer valid; whoever runs them should stop.
 */
export async function extendClaims(
  store: Store,
  claims: readonly RunningStep[],
  ttlMs: number,
): Promise<string[]> {
  if (claims.length === 0) return [];
  return inTransaction(store.db, async (tx) => {
    await pushClaimExpiry(tx, claims, ttlMs);
    return findLostClaims(tx, claims);
  });
}

/** Which of the claims are no longer valid, without extending any. */
export async function checkClaims(store: Store, claims: readonly RunningStep[]): Promise<string[]> {
  if (claims.length === 0) return [];
  return inTransaction(store.db, (tx) => findLostClaims(tx, claims));
}

/** A claim that a remote worker wants to keep. */
export interface ListedClaim {
  /** Null: what was given is the id of no claim. */
  key: ClaimKey | null;
  /** How long it is to be valid from now on; null: as long as it was granted for. */
  ttlMs: number | null;
}

/** What a worker is told of a claim that it wanted to keep. */
export interface ExtendedClaim {
  action: 'continue' | 'cancel' | 'lost';
  /** 0 unless `continue`. */
  expires_in_ms: number;
  /** What became of the claim. */
  end: ClaimEnd;
}

/**
 * Extends the claims that a remote worker lists, and only those, each to now + its ttl: absolute, so it may also come
 * nearer. Never past the deadline of the attempt or of the job; never waits for anybody, and `continue` for a claim
 * that is being written just now. Answers in the order of the list, in which a claim may stand twice (the last ttl
 * holds). Notes that the workers were heard of. `defaultTtlMs` is for claims that were granted without a ttl.
 */
export async function extendListed(
  store: Store,
  listed: readonly ListedClaim[],
  defaultTtlMs: number,
): Promise<ExtendedClaim[]> {
  const distinct = new Map(
    listed.flatMap(({ key, ttlMs }) => (key === null ? [] : [[key.claim_id, { ...key, ttl_ms: ttlMs }]])),
  );
  if (distinct.size === 0) return listed.map(() => LOST);
  const rows = await inOneStatement(store.db, (tx) =>
    extendAndTrace(tx, [...distinct.values()], defaultTtlMs),
  );
  const workers = new Set(rows.filter(isRunning).map((row) => row.claimed_by));
  if (workers.size > 0) await inOneStatement(store.db, (tx) => touchWorkers(tx, [...workers]));
  const told = new Map(rows.map((row) => [row.claim_id, tell(row)]));
  return listed.map(({ key }) => (key && told.get(key.claim_id)) ?? LOST);
}

const LOST: ExtendedClaim = { action: 'lost', expires_in_ms: 0, end: { kind: 'unknown' } };

function isRunning({ is_latest, status }: ExtendedRow): boolean {
  return is_latest && status === 'running';
}

function tell(row: ExtendedRow): ExtendedClaim {
  const end = claimEndOf(traceOf(row));
  if (end.kind === 'running') {
    return { action: 'continue', expires_in_ms: Math.max(0, Math.round(row.expires_in_ms ?? 0)), end };
  }
  const cancelled = end.kind === 'lost' && end.reason === 'cancelled';
  return { action: cancelled ? 'cancel' : 'lost', expires_in_ms: 0, end };
}
