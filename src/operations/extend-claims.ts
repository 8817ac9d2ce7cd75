import type { Store } from '../database/store.ts';
import { inTransaction } from '../database/transaction.ts';
import { findLostClaims, pushClaimExpiry } from '../repositories/extend-claims.ts';
import type { RunningStep } from '../repositories/find-due.ts';

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
