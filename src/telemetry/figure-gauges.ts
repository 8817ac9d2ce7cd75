import { Counter, type Registry } from 'prom-client';
import type { Figures, OpenJobs, ReadyHead, TableFigures, WorkerGroup } from '../domain/figures.ts';
import { gaugeOf } from './gauge.ts';
import { capValues } from './label-values.ts';

const PARTS = ['openJobs', 'readyHeads', 'workers', 'tables', 'sessions'] as const;
const PART_NAMES: Record<(typeof PARTS)[number], string> = {
  openJobs: 'open_jobs',
  readyHeads: 'ready_heads',
  workers: 'workers',
  tables: 'tables',
  sessions: 'sessions',
};

/** Gauges for what the database tells: `show` makes them say just this, `clear` nothing. */
export function createFigureGauges(registry: Registry): { show(figures: Figures): void; clear(): void } {
  const gauges = createGauges(registry);
  const caps = { uses: capValues(), queue: capValues() };
  const missing = new Counter({
    name: 'holdfast_database_figures_missing_total',
    help: 'Parts of what the database tells that are left out: it took too long, or our role may not see them.',
    labelNames: ['part'],
    registers: [registry],
  });
  const clear = () => {
    for (const gauge of Object.values(gauges)) {
      gauge.reset();
      // One without labels says 0 when it is reset.
      gauge.remove({});
    }
  };
  return {
    clear,
    show(figures) {
      clear();
      for (const part of PARTS) if (figures[part] === null) missing.inc({ part: PART_NAMES[part] });
      const { openJobs, readyHeads, workers, tables, sessions } = figures;
      if (openJobs !== null) showOpenJobs(gauges, openJobs);
      if (readyHeads !== null) showReadyHeads(gauges, readyHeads, caps);
      if (workers !== null) showWorkers(gauges, workers);
      if (tables !== null) showTables(gauges, tables);
      if (sessions === null) return;
      gauges.xminAge.set(sessions.oldest_xmin_age);
      gauges.transaction.set(sessions.longest_transaction_seconds);
      gauges.bytes.set(sessions.database_bytes);
    },
  };
}

type Gauges = ReturnType<typeof createGauges>;

function createGauges(registry: Registry) {
  const gauge = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    gaugeOf(registry, { name, help, labelNames });
  return {
    jobs: gauge('jobs', 'Jobs that are not over.', 'status'),
    steps: gauge('steps', 'Steps that are not over, of jobs that are not over.', 'status'),
    oldestReady: gauge('oldest_ready_seconds', 'How long what comes next has been ready.', 'queue', 'uses'),
    queueWorkers: gauge('queue_workers', 'Live workers that take what is ready.', 'queue', 'uses'),
    workers: gauge('workers', 'Registered workers.', 'kind', 'status'),
    slots: gauge('worker_slots', 'Steps that live workers run at once.', 'kind'),
    tableBytes: gauge('table_size_bytes', 'Size of a table with its indexes.', 'table'),
    liveTuples: gauge('table_live_tuples', 'Rows, as the statistics estimate them.', 'table'),
    deadTuples: gauge('table_dead_tuples', 'Row versions that vacuum has not removed yet.', 'table'),
    autovacuum: gauge('table_last_autovacuum_timestamp_seconds', 'When autovacuum last ended.', 'table'),
    xminAge: gauge(
      'database_oldest_xmin_age',
      'Transactions since the oldest snapshot that holds up vacuum.',
    ),
    transaction: gauge('database_longest_transaction_seconds', 'Age of the oldest transaction that is open.'),
    bytes: gauge('database_size_bytes', 'Size of the database.'),
  };
}

function showOpenJobs(gauges: Gauges, rows: readonly OpenJobs[]): void {
  // What there is none of says 0 instead of nothing: rules and graphs then see it.
  for (const status of ['scheduled', 'queued', 'running', 'paused'] as const) gauges.jobs.set({ status }, 0);
  for (const status of ['pending', 'ready', 'running', 'waiting'] as const) {
    gauges.steps.set(
      { status },
      rows.reduce((sum, row) => sum + row[status], 0),
    );
  }
  for (const { status, jobs } of rows) gauges.jobs.set({ status }, jobs);
}

/** Names past the cap share a series, which tells the worst of them. */
function showReadyHeads(
  gauges: Gauges,
  heads: readonly ReadyHead[],
  caps: Record<'queue' | 'uses', (value: string) => string>,
): void {
  const labelled = heads.map((head) => ({
    ...head,
    queue: caps.queue(head.queue),
    uses: caps.uses(head.uses),
  }));
  for (const group of Map.groupBy(labelled, ({ queue, uses }) => JSON.stringify([queue, uses])).values()) {
    const [{ queue, uses }] = group as [ReadyHead];
    gauges.oldestReady.set({ queue, uses }, Math.max(...group.map(({ seconds }) => seconds)));
    gauges.queueWorkers.set({ queue, uses }, Math.min(...group.map(({ workers }) => workers)));
  }
}

function showWorkers(gauges: Gauges, groups: readonly WorkerGroup[]): void {
  for (const kind of ['server', 'remote'] as const) {
    gauges.slots.set({ kind }, 0);
    for (const status of ['live', 'draining', 'gone'] as const) gauges.workers.set({ kind, status }, 0);
  }
  for (const { kind, status, workers, slots } of groups) {
    gauges.workers.set({ kind, status }, workers);
    if (status === 'live') gauges.slots.set({ kind }, slots);
  }
}

function showTables(gauges: Gauges, tables: readonly TableFigures[]): void {
  for (const { table, bytes, live_tuples, dead_tuples, last_autovacuum } of tables) {
    gauges.tableBytes.set({ table }, bytes);
    gauges.liveTuples.set({ table }, live_tuples);
    gauges.deadTuples.set({ table }, dead_tuples);
    if (last_autovacuum !== null) gauges.autovacuum.set({ table }, last_autovacuum);
  }
}
