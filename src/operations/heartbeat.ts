import type { Store } from '../database/store.ts';
import { inOneStatement } from '../database/transaction.ts';
import type { ClaimKey } from '../domain/claim-id.ts';
import { beatWorker, type WorkerCommand } from '../repositories/remote-workers.ts';
import { noSuchWorker, workerIsServer } from './change-worker.ts';
import { extendListed } from './extend-claims.ts';

/** A claim that a heartbeat lists; `key` null: its id is none. */
export interface ListedClaim {
  key: ClaimKey | null;
  /** 0 to 1. */
  progress?: number;
}

type Extended = Awaited<ReturnType<typeof extendListed>>[number];

/**
 * Notes that a remote worker lives and extends the claims that it lists, each by the ttl it was made with. Tells it what
 * to do, and what became of each claim, in their order. For one that was removed nothing is extended: all is given
 * back. Throws `worker_not_found`, `worker_is_server`.
 */
export async function heartbeat(
  store: Store,
  id: string,
  claims: readonly ListedClaim[],
): Promise<{ command: WorkerCommand; claims: Extended[] }> {
  const worker = await inOneStatement(store.db, (tx) => beatWorker(tx, id));
  if (worker === null) throw noSuchWorker(id);
  if (worker.kind === 'server') throw workerIsServer(worker.name);
  const { command } = worker;
  if (command === 'stop')
    return { command, claims: claims.map(() => ({ action: 'lost', expires_in_ms: 0 })) };
  const extended = await extendListed(
    store,
    claims.map((claim) => ({ ...claim, ttlMs: null })),
  );
  return { command, claims: extended };
}
