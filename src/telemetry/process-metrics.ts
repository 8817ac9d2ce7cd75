import { collectDefaultMetrics, type Registry } from 'prom-client';
import { gaugeOf } from './gauge.ts';

/** Connections of one pool at this moment. */
export interface PoolFigures {
  total: number;
  idle: number;
  /** Who waits for a connection. */
  waiting: number;
  max: number;
}

/** Of what prom-client knows of a process: what helps to find out why a server is slow. Its names are everybody's. */
const USEFUL = new Set([
  'process_cpu_user_seconds_total',
  'process_cpu_system_seconds_total',
  'process_cpu_seconds_total',
  'process_start_time_seconds',
  'process_resident_memory_bytes',
  'nodejs_eventloop_lag_seconds',
  'nodejs_eventloop_lag_max_seconds',
  'nodejs_eventloop_lag_p50_seconds',
  'nodejs_eventloop_lag_p99_seconds',
  'nodejs_heap_size_total_bytes',
  'nodejs_heap_size_used_bytes',
  'nodejs_external_memory_bytes',
  'nodejs_gc_duration_seconds',
]);

/** What the process knows of itself; `pools` tells of its pools of connections by name. */
export function createProcessMetrics(
  registry: Registry,
  { version, pools }: { version: string; pools: () => Record<string, PoolFigures> },
): void {
  collectDefaultMetrics({ register: registry });
  for (const { name } of registry.getMetricsAsArray()) {
    if (!name.startsWith('holdfast_') && !USEFUL.has(name)) registry.removeSingleMetric(name);
  }
  gaugeOf(registry, {
    name: 'build_info',
    help: 'Always 1; the labels tell.',
    labelNames: ['version', 'nodejs_version'],
  }).set({ version, nodejs_version: process.version }, 1);
  createPoolGauges(registry, pools);
}

function createPoolGauges(registry: Registry, pools: () => Record<string, PoolFigures>): void {
  const gauge = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    gaugeOf(registry, { name, help, labelNames });
  // First, because what it collects for the others must be there when they are read.
  const connections = gaugeOf(registry, {
    name: 'pool_connections',
    help: 'Open connections to the database.',
    labelNames: ['pool', 'state'],
    collect() {
      for (const [pool, figures] of Object.entries(pools())) {
        connections.set({ pool, state: 'idle' }, figures.idle);
        connections.set({ pool, state: 'busy' }, figures.total - figures.idle);
        most.set({ pool }, figures.max);
        waiting.set({ pool }, figures.waiting);
      }
    },
  });
  const most = gauge('pool_connections_max', 'Connections that a pool may open.', 'pool');
  const waiting = gauge('pool_waiting', 'Who waits for a connection of the pool.', 'pool');
}
