import type { Store } from '../database/store.ts';
import { changeWorker } from './change-worker.ts';

/**
 * Gives a remote worker no more steps; those that it holds it may end. One that was removed stays so. Returns
 * what it is told from now on. Throws `worker_not_found`, `worker_is_server`.
 */
export function drainWorker(store: Store, id: string): Promise<'drain' | 'stop'> {
  return changeWorker(store, id, 'drain');
}
