import { readdirSync, readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import type pg from 'pg';
import { figure, readExposition } from '../../test/support/exposition.ts';

/** A server or a worker, by its name in the figures. */
export interface Watched {
  name: string;
  pid: number;
  /** Of a server: where its metrics are. */
  url?: string;
}

const SIZES = `
  select c.relkind::text as kind, c.relname as name,
    (case c.relkind when 'r' then pg_table_size(c.oid) else pg_relation_size(c.oid) end)::float8 as bytes,
    s.n_live_tup::float8 as live, s.n_dead_tup::float8 as dead,
    s.autovacuum_count::float8 as autovacuums
  from pg_class c left join pg_stat_user_tables s on s.relid = c.oid
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'i')`;
const WHOLE = `
  select pg_database_size(current_database())::float8 as bytes,
    pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as wal,
    (select count(*) from pg_stat_activity where datname = current_database())::float8 as connections,
    (select count(*) from step where status = 'ready')::float8 as ready,
    (select count(*) from step where status = 'running')::float8 as running,
    (select count(*) from step where status = 'waiting')::float8 as waiting`;
const STARTS = `
  select percentile_cont(array[0.5, 0.99]) within group (order by extract(epoch from started_at - ready_at) * 1000)
    as parts
  from step where started_at > clock_timestamp() - $1 * interval '1 millisecond' and ready_at <= started_at`;

/** A way to look at everything once; rates are those since the look before. `windowMs`: for how long starts count. */
export function sampler(
  pool: pg.Pool,
  watched: readonly Watched[],
  windowMs: number,
): () => Promise<Record<string, number>> {
  const rateOf = createRates();
  return async () => {
    const figures: Record<string, number> = { 'machine load': loadavg()[0] ?? 0 };
    for (const one of watched) Object.assign(figures, await lookAtProcess(one, rateOf));
    return Object.assign(figures, await lookAtDatabase(pool, windowMs, rateOf));
  };
}

type RateOf = ReturnType<typeof createRates>;

/** By how much a counter went up in a second, since it was last seen. */
function createRates() {
  const seen = new Map<string, { at: number; value: number }>();
  return (name: string, value: number): number | undefined => {
    const before = seen.get(name);
    const at = performance.now();
    seen.set(name, { at, value });
    return before && ((value - before.value) * 1_000) / (at - before.at);
  };
}

async function lookAtProcess({ name, pid, url }: Watched, rateOf: RateOf): Promise<Record<string, number>> {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const figures: Record<string, number | null | undefined> = {
    rss: Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
  if (url !== undefined) {
    const metrics = readExposition(await (await fetch(`${url}/metrics`)).text());
    const lag = figure(metrics, 'nodejs_eventloop_lag_p99_seconds');
    const cpu = rateOf(`${name} cpu`, figure(metrics, 'process_cpu_seconds_total') ?? 0);
    figures['heap'] = figure(metrics, 'nodejs_heap_size_used_bytes');
    figures['external'] = figure(metrics, 'nodejs_external_memory_bytes');
    figures['lag p99'] = lag === null ? null : lag * 1_000;
    figures['cpu'] = cpu === undefined ? cpu : cpu * 100;
  }
  return present(Object.entries(figures).map(([what, value]) => [`${name} ${what}`, value]));
}

async function lookAtDatabase(
  pool: pg.Pool,
  windowMs: number,
  rateOf: RateOf,
): Promise<Record<string, number>> {
  const { rows: relations } = await pool.query<Relation>(SIZES);
  const { rows } = await pool.query<Record<string, number>>(WHOLE);
  const { bytes, wal = 0, connections, ...backlog } = rows[0] ?? {};
  const { rows: starts } = await pool.query<{ parts: [number, number] | null }>(STARTS, [windowMs]);
  const [p50, p99] = starts[0]?.parts ?? [];
  return present([
    ...relations.flatMap(({ kind, name, ...values }) =>
      Object.entries(values).map(
        ([what, value]): Named => [`${kind === 'r' ? 'table' : 'index'} ${name} ${what}`, value],
      ),
    ),
    ['database bytes', bytes],
    ['database wal', wal],
    ['database wal rate', rateOf('wal', wal)],
    ['database connections', connections],
    ...Object.entries(backlog).map(([status, value]): Named => [`backlog ${status}`, value]),
    ['start p50', p50],
    ['start p99', p99],
  ]);
}

type Named = [string, number | null | undefined];

interface Relation {
  kind: string;
  name: string;
  bytes: number;
  live: number | null;
  dead: number | null;
  autovacuums: number | null;
}

function present(figures: readonly Named[]): Record<string, number> {
  return Object.fromEntries(
    figures.filter((named): named is [string, number] => typeof named[1] === 'number'),
  );
}
