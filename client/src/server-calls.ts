import type { Client } from './client.ts';
import { allPages } from './job-calls.ts';
import type { Transport } from './transport.ts';
import type { Health, RemovedWorker, WorkerEntry, WorkerList } from './wire.ts';

type ServerCalls = Pick<Client, 'workers' | 'allWorkers' | 'drainWorker' | 'removeWorker' | 'health'>;

export function serverCalls({ send }: Transport): ServerCalls {
  const workers: Client['workers'] = async (query = {}, { signal } = {}) => {
    const call = { method: 'GET', path: '/v1/workers', query, repeatable: true, signal } as const;
    return (await send(call)).json<WorkerList>();
  };
  return {
    workers,
    allWorkers: (query, options) => allPages((cursor) => workers({ ...query, ...cursor }, options)),
    drainWorker: async (id, { signal } = {}) => {
      const path = `${workerPath(id)}/drain`;
      return (await send({ method: 'POST', path, repeatable: true, signal })).json<WorkerEntry>();
    },
    removeWorker: async (id, { signal } = {}) => {
      const call = { method: 'DELETE', path: workerPath(id), repeatable: true, signal } as const;
      return (await send(call)).json<RemovedWorker>();
    },
    health: async ({ signal } = {}) => {
      const call = { method: 'GET', path: '/health', repeatable: true, alsoFine: [503], signal } as const;
      return (await send(call)).json<Health>();
    },
  };
}

export function workerPath(id: string): string {
  return `/v1/workers/${encodeURIComponent(id)}`;
}
