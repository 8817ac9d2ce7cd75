import { v4 as uuid } from 'uuid';
import type { Store } from '../database/store.ts';
import { inTransaction } from '../database/transaction.ts';
import { insertWorker, type RemoteWorker } from '../repositories/remote-workers.ts';

/** Enters a remote worker among those that live. Returns its id, new each time: two of one name are two workers. */
export async function registerWorker(store: Store, worker: RemoteWorker): Promise<string> {
  const id = uuid();
  await inTransaction(store.db, (tx) => insertWorker(tx, id, worker));
  return id;
}
