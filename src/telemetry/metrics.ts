import { Registry } from 'prom-client';
import { createDatabaseMetrics, type DatabaseReading } from './database-metrics.ts';
import { createEngineMetrics, type EngineMetrics } from './engine-metrics.ts';
import { type AnsweredRequest, createHttpMetrics } from './http-metrics.ts';
import { createProcessMetrics, type PoolFigures } from './process-metrics.ts';

/** What one server counts. Labels hold no ids, and of names that users make up only so many. */
export interface Metrics extends EngineMetrics {
  /** Told of each request when it is over. */
  answered(request: AnsweredRequest): void;
  /** Everything in the text format of Prometheus, of this media type; never rejects because the database is away. */
  text(): Promise<string>;
  contentType: string;
  /** For who compares documents with it. */
  registry: Registry;
}

export interface MetricsOptions {
  version: string;
  /** The pools of connections to the database, by name. */
  pools: () => Record<string, PoolFigures>;
  database: DatabaseReading;
}

/** The metrics of one server, in a registry of their own: tests start several in one process. */
export function createMetrics({ version, pools, database }: MetricsOptions): Metrics {
  const registry = new Registry();
  const engine = createEngineMetrics(registry);
  const answered = createHttpMetrics(registry);
  const refresh = createDatabaseMetrics(registry, database);
  createProcessMetrics(registry, { version, pools });
  return {
    ...engine,
    answered,
    async text() {
      await refresh();
      return registry.metrics();
    },
    contentType: registry.contentType,
    registry,
  };
}
