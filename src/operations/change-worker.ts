import type { Store } from '../database/store.ts';
import { inTransaction } from '../database/transaction.ts';
import { AppError } from '../domain/errors.ts';
import { setCommand } from '../repositories/remote-workers.ts';

/**
 * Writes what a remote worker is told from now on, in a transaction of its own: a claim that is being granted has the
 * worker's row first, so whatever is granted is seen by what comes after this, and nothing is granted any more. Returns
 * what it is told then: `stop` also when it is to be drained but was removed before. Throws `worker_not_found`, and
 * `worker_is_server` for the pool of a server.
 */
export async function changeWorker(
  store: Store,
  id: string,
  command: 'drain' | 'stop',
): Promise<'drain' | 'stop'> {
  const changed = await inTransaction(store.db, (tx) => setCommand(tx, id, command));
  if (changed === null) throw noSuchWorker(id);
  if (changed.kind === 'server') throw workerIsServer(changed.name);
  return changed.command === 'stop' ? 'stop' : command;
}

/** "There is no worker of this id." */
export function noSuchWorker(id: string): AppError {
  return new AppError(
    'worker_not_found',
    `there is no worker with the id ${id}; register with POST /v1/workers`,
  );
}

/** "This cannot be done to the pool of a server." */
export function workerIsServer(name: string): AppError {
  const detail = `this is the pool of the server ${name}, which comes and goes with it; stop that server instead`;
  return new AppError('worker_is_server', detail);
}
