import type { Tx } from '../database/store.ts';
import { findClaimsOfRequests } from '../repositories/claim-requests.ts';
import { lockWorkers } from '../repositories/remote-workers.ts';
import type { ClaimRequest } from './claim-request.ts';

/**
 * Why a remote worker is given nothing: its row is held by somebody else or gone (ask again), it is drained or stopped,
 * or the same request was given its claims before.
 */
export type Absence = 'busy' | 'drain' | 'stop' | 'served';

/**
 * Locks the rows of the remote workers that ask, and says which of their requests must not be given anything. Whoever
 * removes a worker writes its row first, so what is granted here is seen there or not granted at all. The rows are
 * never waited for: jobs are locked already.
 */
export async function lockRemoteTakers(
  tx: Tx,
  requests: readonly ClaimRequest[],
): Promise<Map<ClaimRequest, Absence>> {
  const remote = requests.filter((request) => request.remote !== undefined);
  const absent = new Map<ClaimRequest, Absence>();
  if (remote.length === 0) return absent;
  const rows = await lockWorkers(tx, [...new Set(remote.map((request) => request.workerId))]);
  const asked = remote.flatMap(({ workerId, remote }) =>
    remote?.requestId ? [{ worker_id: workerId, request_id: remote.requestId }] : [],
  );
  const served = asked.length === 0 ? [] : await findClaimsOfRequests(tx, asked);
  const names = new Set(served.map(({ worker_id, request_id }) => `${worker_id} ${request_id}`));
  for (const request of remote) {
    const row = rows.find(({ id }) => id === request.workerId);
    const name = `${request.workerId} ${request.remote?.requestId}`;
    if (row === undefined) absent.set(request, 'busy');
    else if (row.command !== 'run') absent.set(request, row.command);
    else if (request.remote?.requestId && names.has(name)) absent.set(request, 'served');
    // A second copy in the same breath has its turn after this one.
    else if (request.remote?.requestId) names.add(name);
  }
  return absent;
}
