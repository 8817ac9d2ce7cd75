import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Tables, WorkerTable } from '../database/tables.ts';
import type { WorkerCommand } from './remote-workers.ts';

export type WorkerStatus = 'live' | 'draining' | 'gone';

/** What a reader sees of a worker: of a server's own pool, or of a remote one. */
export interface ReadWorker {
  id: string;
  kind: WorkerTable['kind'];
  name: string;
  status: WorkerStatus;
  uses: string[];
  /** Null: every queue. */
  queues: string[] | null;
  slots: number;
  /** Claims that it holds now. */
  running: number;
  version: string;
  labels: Record<string, string>;
  command: WorkerCommand;
  started_at: Date;
  last_seen_at: Date;
}

/** Exact place in the order of the list: whether those that are gone have begun, microseconds since 1970, the id. */
export interface WorkerPosition {
  gone: boolean;
  started_us: number;
  id: string;
}

/**
 * Whether a worker (of the table, under this alias) was told to stop or is silent for longer than it may be: a server
 * writes its row every half second, a remote worker is asked for a sign of life every 10 s.
 */
export function isGone(alias: string): RawBuilder<boolean> {
  const [command, kind, seen] = ['command', 'kind', 'last_seen_at'].map((name) =>
    sql.ref(`${alias}.${name}`),
  );
  return sql<boolean>`(${command} = 'stop' or ${seen} < statement_timestamp()
    - case ${kind} when 'server' then interval '5 seconds' else interval '35 seconds' end)`;
}

/** One worker; undefined when there is none. */
export async function readWorker(db: Kysely<Tables>, id: string): Promise<ReadWorker | undefined> {
  return (await readChosen(db, sql`worker.id = ${id}`, 1))[0];
}

/** A page of workers, those that are gone last, newest first in both halves; and where the next one starts. */
export async function readWorkers(
  db: Kysely<Tables>,
  statuses: readonly WorkerStatus[],
  page: { limit: number; after: WorkerPosition | null },
): Promise<{ workers: ReadWorker[]; next: WorkerPosition | null }> {
  const { after } = page;
  const wanted = sql`(${statuses.length === 0} or seen.status = any(${sql.val([...statuses])}::text[]))`;
  const further =
    after === null
      ? sql`true`
      : sql`(${after.gone} < seen.gone or (${after.gone} = seen.gone and (worker.started_at, worker.id) <
          (timestamptz 'epoch' + ${after.started_us}::bigint * interval '1 microsecond', ${after.id}::uuid)))`;
  const rows = await readChosen(db, sql`${wanted} and ${further}`, page.limit + 1);
  const workers = rows.slice(0, page.limit);
  const last = workers.at(-1);
  if (last === undefined || rows.length === workers.length) return { workers, next: null };
  return { workers, next: { gone: last.status === 'gone', started_us: last.started_us, id: last.id } };
}

async function readChosen(
  db: Kysely<Tables>,
  condition: RawBuilder<unknown>,
  limit: number,
): Promise<(ReadWorker & { started_us: number })[]> {
  // The claims are counted once for the whole page: the index of running steps is not by worker.
  const { rows } = await sql<ReadWorker & { started_us: number }>`
    with chosen as materialized (
      select worker.*, seen.gone, seen.status from worker
      cross join lateral (
        select ${isGone('worker')} as gone,
          case when ${isGone('worker')} then 'gone' when worker.command = 'drain' then 'draining' else 'live' end
            as status
      ) seen
      where ${condition}
      order by seen.gone, worker.started_at desc, worker.id desc limit ${limit}
    ), held as materialized (
      select claimed_by, count(*)::int4 as running from step
      where status = 'running' and claimed_by = any(array(select id from chosen)) group by claimed_by
    )
    select id, kind, name, status, uses, queues, slots, coalesce(running, 0) as running, version, labels, command,
      started_at, last_seen_at, (extract(epoch from started_at) * 1000000)::bigint as started_us
    from chosen left join held on held.claimed_by = chosen.id
    order by gone, started_at desc, id desc`.execute(db);
  return rows;
}
