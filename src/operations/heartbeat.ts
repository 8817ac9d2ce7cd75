import type { Store } from '../database/store.ts';
import { inOneStatement } from '../database/transaction.ts';
import type { ClaimKey } from '../domain/claim-id.ts';
import { beatWorker, type WorkerCommand } from '../repositories/remote-workers.ts';
import { noSuchWorker, workerIsServer } from './change-worker.ts';
import { type ExtendedClaim, extendListed } from './extend-claims.ts';

/** What a heartbeat is told of one claim. */
export type KeptClaim = Pick<ExtendedClaim, 'action' | 'expires_in_ms'>;

/**
 * Notes that a remote worker lives and extends the claims that it lists (null: the id of none), each by the ttl it was
 * made with, or by `defaultTtlMs`. Tells it what to do, and what became of each claim, in their order. For one that was
 * removed nothing is extended: all is given back. Throws `worker_not_found`, `worker_is_server`.
 */
export async function heartbeat(
  store: Store,
  id: string,
  claims: readonly (ClaimKey | null)[],
  defaultTtlMs: number,
): Promise<{ command: WorkerCommand; claims: KeptClaim[] }> {
  const worker = await inOneStatement(store.db, (tx) => beatWorker(tx, id));
  if (worker === null) throw noSuchWorker(id);
  if (worker.kind === 'server') throw workerIsServer(worker.name);
  const { command } = worker;
  if (command === 'stop')
    return { command, claims: claims.map(() => ({ action: 'lost', expires_in_ms: 0 })) };
  const listed = claims.map((key) => ({ key, ttlMs: null }));
  return { command, claims: await extendListed(store, listed, defaultTtlMs) };
}
