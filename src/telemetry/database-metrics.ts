import type { Registry } from 'prom-client';
import type { Figures } from '../domain/figures.ts';
import { createFigureGauges } from './figure-gauges.ts';
import { gaugeOf } from './gauge.ts';

// Several that scrape, or one that does so every second, cost the database no more than this.
const CACHE_MS = 5_000;
// Shorter than those who scrape wait: what the process knows of itself must not be lost with the database.
const PATIENCE_MS = 4_000;

export interface DatabaseReading {
  /** Reads the figures; rejects while the database is away. */
  read(): Promise<Figures>;
  /** Told when it rejects. */
  onError?: (error: unknown) => void;
  /** For how long what was read is shown without reading again, in milliseconds. */
  cacheMs?: number;
  /** How long an answer may take before it is left out, in milliseconds. */
  patienceMs?: number;
}

/**
 * What the database tells when somebody scrapes. The function that it returns brings it up to date, unless it is fresh;
 * it resolves in any case, and in time.
 */
export function createDatabaseMetrics(
  registry: Registry,
  { read, onError, cacheMs = CACHE_MS, patienceMs = PATIENCE_MS }: DatabaseReading,
): () => Promise<void> {
  const up = gaugeOf(registry, { name: 'database_up', help: 'Whether the database answered: 1 or 0.' });
  const gauges = createFigureGauges(registry);
  let reading: Promise<void> | null = null;
  let freshUntil = 0;

  const away = () => {
    up.set(0);
    // What was true before the database went away is not shown as if it were true now.
    gauges.clear();
  };
  const readOnce = async () => {
    try {
      gauges.show(await read());
      up.set(1);
      freshUntil = performance.now() + cacheMs;
    } catch (error) {
      away();
      onError?.(error);
    } finally {
      reading = null;
    }
  };
  return async () => {
    if (performance.now() < freshUntil) return;
    // One at a time, also while an earlier one hangs.
    reading ??= readOnce();
    if (await isLate(reading, patienceMs)) away();
  };
}

async function isLate(reading: Promise<void>, patienceMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<true>((resolve) => {
    timer = setTimeout(resolve, patienceMs, true);
  });
  try {
    return await Promise.race([reading.then(() => false), late]);
  } finally {
    clearTimeout(timer);
  }
}
