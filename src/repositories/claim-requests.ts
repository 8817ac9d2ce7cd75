import { type Kysely, sql } from 'kysely';
import type { Tables } from '../database/tables.ts';
import { bulkRows } from './bulk-rows.ts';

/** One request of a remote worker for claims. */
export interface ClaimRequestKey {
  worker_id: string;
  /** As the worker gave it. */
  request_id: string;
}

/** A claim that such a request was given and that still runs. */
export interface RequestedClaim extends ClaimRequestKey {
  job_id: string;
  ordinal: number;
  claim_id: string;
  uses: string;
  attempt: number;
}

const KINDS = { worker_id: 'uuid', request_id: 'text' } as const;

/** The claims that these requests were given, as far as they still run; the index holds nothing else. */
export async function findClaimsOfRequests(
  db: Kysely<Tables>,
  requests: readonly ClaimRequestKey[],
): Promise<RequestedClaim[]> {
  const { rows } = await sql<RequestedClaim>`
    select k.worker_id, k.request_id, s.job_id, s.ordinal, s.claim_id, s.uses, s.attempt
    from ${bulkRows('k', KINDS, requests)}
    cross join lateral (
      select * from step s
      where s.status = 'running' and s.claim_request is not null
        and s.claimed_by = k.worker_id and s.claim_request = k.request_id offset 0
    ) s order by s.job_id, s.ordinal`.execute(db);
  return rows;
}

/** A remote worker, as far as its requests need it. */
export interface RequestingWorker {
  id: string;
  command: 'run' | 'drain' | 'stop';
  uses: string[];
  /** Null: every queue. */
  queues: string[] | null;
}

/** Remote workers by their ids; those that nobody registered are left out. */
export async function readRequestingWorkers(
  db: Kysely<Tables>,
  ids: readonly string[],
): Promise<RequestingWorker[]> {
  return await db
    .selectFrom('worker')
    .select(['id', 'command', 'uses', 'queues'])
    .where('kind', '=', 'remote')
    .where('id', 'in', [...ids])
    .execute();
}
