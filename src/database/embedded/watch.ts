import pg from 'pg';
import type { Cluster } from './cluster.ts';
import { ensureRunning } from './postmaster.ts';

/**
 * Starts the postmaster again whenever it dies, until stopped. It notices by a connection of its own that
 * breaks: at once, and, unlike a look at the pid, never fooled by a pid that was used again.
 */
export function keepRunning(cluster: Cluster): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const loop = watch(cluster, stopping.signal);
  return {
    stop: async () => {
      stopping.abort();
      await loop;
    },
  };
}

async function watch(cluster: Cluster, stopping: AbortSignal): Promise<void> {
  const isStopping = () => stopping.aborted;
  for (let failures = 0; !stopping.aborted; ) {
    try {
      await connectionEnds(cluster, stopping);
      if (stopping.aborted) return;
      cluster.log.warn('lost the database; starting it again if it died');
      await ensureRunning(cluster, isStopping);
      failures = 0;
    } catch (error) {
      cluster.log.error({ err: error }, 'the database does not come back; trying again');
      failures += 1;
      await pause(Math.min(30_000, 500 * 2 ** failures), stopping);
    }
  }
}

/** Resolves when a connection to the database could not be made, broke, or is not wanted any more. */
async function connectionEnds(cluster: Cluster, stopping: AbortSignal): Promise<void> {
  const client = new pg.Client({
    ...cluster.connection,
    application_name: 'holdfast watch',
    keepAlive: true,
  });
  const ended = new Promise<void>((resolve) => {
    client.on('error', () => resolve());
    client.on('end', () => resolve());
    stopping.addEventListener('abort', () => resolve(), { once: true });
  });
  try {
    await client.connect();
    await ended;
  } catch {
    // Not there: the same to us as a connection that broke.
  } finally {
    await client.end().catch(() => {});
  }
}

function pause(milliseconds: number, stopping: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    const stop = () => {
      clearTimeout(timer);
      resolve();
    };
    stopping.addEventListener('abort', stop, { once: true });
  });
}
