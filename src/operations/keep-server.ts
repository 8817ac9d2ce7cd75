import type { Store } from '../database/store.ts';
import { inTransaction } from '../database/transaction.ts';
import {
  deleteWorker,
  findOtherServers,
  findSilentServers,
  isServerLockFree,
  type ServerEntry,
  type SilentServer,
  touchServer,
  upsertServer,
} from '../repositories/workers.ts';

/** Enters this server among those that live. Returns the key of the advisory lock that it must hold. */
export function enterServer(store: Store, entry: ServerEntry): Promise<number> {
  return inTransaction(store.db, (tx) => upsertServer(tx, entry));
}

/** Writes that this server lives. False when another server took it for dead and removed its entry. */
export function reportAlive(store: Store, id: string): Promise<boolean> {
  return inTransaction(store.db, (tx) => touchServer(tx, id));
}

/** Removes a server's entry: its own when it stops, a dead one's when its steps have been given back. */
export function removeServer(store: Store, id: string): Promise<void> {
  return inTransaction(store.db, (tx) => deleteWorker(tx, id));
}

/**
 * Other servers that are dead: silent for `silenceMs` *and* without their lock. Either alone is not enough: a
 * terminated session frees the lock of a server that lives, and a busy server may be silent.
 */
export async function findDeadServers(
  store: Store,
  selfId: string,
  silenceMs: number,
): Promise<SilentServer[]> {
  const dead: SilentServer[] = [];
  for (const server of await findSilentServers(store.db, selfId, silenceMs)) {
    if (await isServerLockFree(store, server.lock_key)) dead.push(server);
  }
  return dead;
}

/** All other servers: the dead ones, for whoever owns the database's folder and so knows that nobody else lives. */
export function findPredecessors(store: Store, selfId: string): Promise<SilentServer[]> {
  return findOtherServers(store.db, selfId);
}

export { SERVER_LOCK_SPACE, type ServerEntry } from '../repositories/workers.ts';
