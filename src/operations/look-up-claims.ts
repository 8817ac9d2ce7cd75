import type { Store } from '../database/store.ts';
import { type ClaimEnd, claimEndOf } from '../domain/claim-end.ts';
import type { ClaimKey } from '../domain/claim-id.ts';
import { traceClaims } from '../repositories/trace-claims.ts';

/**
 * What became of each claim, by its `claim_id`: it runs, ended by a call of its worker, was lost, or never was. Gives
 * the first answer again, however often it is asked and whatever became of the step since. Every key has an entry.
 */
export async function lookUpClaims(store: Store, keys: readonly ClaimKey[]): Promise<Map<string, ClaimEnd>> {
  if (keys.length === 0) return new Map();
  const traces = await traceClaims(store.db, keys);
  return new Map(
    keys.map(({ claim_id }) => {
      const trace = traces.get(claim_id);
      return [claim_id, trace === undefined ? { kind: 'unknown' } : claimEndOf(trace)];
    }),
  );
}
