import type { WorkerBody } from '../contract/worker.ts';
import type { Store } from '../database/store.ts';
import { AppError } from '../domain/errors.ts';
import { noSuchWorker } from '../operations/change-worker.ts';
import { type ReadWorker, readWorker } from '../repositories/read-workers.ts';

/** The id of a path, as the database writes it. Throws `worker_not_found` for what no worker can be called. */
export function workerIdOf({ id }: { id: string }): string {
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) return id.toLowerCase();
  const shown = id.length > 60 ? `${id.slice(0, 60)}…` : id;
  throw new AppError(
    'worker_not_found',
    `"${shown}" is not the id of a worker, which is a UUID; GET /v1/workers lists all workers`,
  );
}

/** The worker of that id. Throws `worker_not_found`. */
export async function findWorker(store: Store, id: string): Promise<ReadWorker> {
  const worker = await readWorker(store.db, id);
  if (worker === undefined) throw noSuchWorker(id);
  return worker;
}

/** A worker as the wire shows it. */
export function workerBody(worker: ReadWorker): WorkerBody {
  const { id, name, kind, status, uses, queues, slots, running, version, labels } = worker;
  return {
    ...{ id, name, kind, status, uses, queues, slots, running, version, labels },
    started_at: worker.started_at.toISOString(),
    last_seen_at: worker.last_seen_at.toISOString(),
  };
}
