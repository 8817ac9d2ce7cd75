import { createMetrics, type Metrics } from '../../src/telemetry/metrics.ts';

let shared: Metrics | undefined;

/** Metrics for servers whose metrics nobody reads: one for all, since each watches its process. */
export function unreadMetrics(): Metrics {
  shared ??= createMetrics({
    version: '0.0.0-test',
    pools: () => ({}),
    database: { read: () => Promise.reject(new Error('nobody asks this database')) },
  });
  return shared;
}
