import type { Store } from '../database/store.ts';
import { inOneStatement } from '../database/transaction.ts';
import {
  findClaimsOfRequests,
  type RequestedClaim,
  type RequestingWorker,
  readRequestingWorkers,
} from '../repositories/claim-requests.ts';
import { touchWorkers } from '../repositories/remote-workers.ts';

export type { RequestedClaim, RequestingWorker };

/** Takes note that remote workers were heard of, and says what they are; those that nobody registered are left out. */
export async function seeWorkers(store: Store, ids: readonly string[]): Promise<RequestingWorker[]> {
  if (ids.length === 0) return [];
  await inOneStatement(store.db, (tx) => touchWorkers(tx, ids));
  return readRequestingWorkers(store.db, ids);
}

/** The claims that a request of a worker was given before and that still run: for an answer that got lost. */
export function findGivenClaims(
  store: Store,
  workerId: string,
  requestId: string,
): Promise<RequestedClaim[]> {
  return findClaimsOfRequests(store.db, [{ worker_id: workerId, request_id: requestId }]);
}
