import type { Store } from '../database/store.ts';
import { inTransaction } from '../database/transaction.ts';
import { deleteSilentWorkers } from '../repositories/remote-workers.ts';

const BATCH = 500;

/**
 * Forgets remote workers that have been silent for a day, or for an hour if they were removed. Safe on every server at
 * once: each passes over what another one is deleting. Returns how many.
 */
export async function pruneWorkers(store: Store): Promise<number> {
  for (let pruned = 0; ; ) {
    const deleted = await inTransaction(store.db, (tx) => deleteSilentWorkers(tx, BATCH));
    pruned += deleted;
    if (deleted < BATCH) return pruned;
  }
}
