import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createPool } from '../../src/database/connection.ts';
import { until } from '../support/embedded.ts';
import { drive, type FleetPlan } from './drive.ts';
import { createLoad, type Load } from './load.ts';
import { type Life, startFleetServers } from './servers.ts';
import {
  type FleetWorker,
  type FleetWorkerOptions,
  runLatecomer,
  startWorkerHere,
  startWorkerProcess,
} from './workers.ts';

/** What came of a run, besides what the database and the ledgers say. */
export interface FleetRun {
  load: Load;
  lives: readonly Life[];
  /** Exit codes of the workers, by their names. */
  workerExits: ReadonlyMap<string, number | null>;
  /** From the first submit to the end of the last job, in milliseconds. */
  tookMs: number;
  /** Whether every job ended in time. */
  ended: boolean;
  ledgers: string;
}

/** How long the latecomer may take to get its first claim. */
const CLAIM_MS = 30_000;
// What is lost with a server is back long before it would expire, so that one is not taken for the other.
const SERVER_SETTINGS = { CLAIM_TTL: '8s', SHUTDOWN_GRACE: '300ms', CONCURRENCY: '12', LOG_LEVEL: 'info' };

/**
 * Servers on one empty database, workers that ask them, and jobs of many shapes, while servers are killed, stopped and
 * started again. `folder` is for what is written meanwhile. Leaves the servers that live running; whoever called ends
 * them. Ends early, with an error, by the signal.
 */
export async function runFleet(
  plan: FleetPlan,
  options: { databaseUrl: string; folder: string; signal: AbortSignal; say(line: string): void },
): Promise<FleetRun> {
  const { databaseUrl, folder, signal, say } = options;
  const ledgers = join(folder, 'ledgers');
  mkdirSync(ledgers);
  const pool = createPool({ connection: databaseUrl, max: 4, applicationName: 'holdfast fleet' });
  const late = new AbortController();
  let latecomer = Promise.resolve();
  let workers: FleetWorker[] = [];
  const complete = Promise.withResolvers<void>();
  try {
    const servers = await startFleetServers(
      plan.servers,
      { ...SERVER_SETTINGS, DATABASE_URL: databaseUrl },
      pool,
    );
    const load = createLoad(servers.urls, String(Date.now()));
    let claimed = false;
    const onClaim = () => {
      claimed = true;
      return complete.promise;
    };
    latecomer = runLatecomer({ servers: servers.urls, folder: ledgers, onClaim }, late.signal);
    // Later, with everybody asking, it may be long before it has a claim to lose.
    await load.submit();
    await until(() => claimed || signal.aborted, CLAIM_MS);
    workers = await startWorkers(plan, servers.urls, ledgers);
    complete.resolve();
    say(`${servers.urls.length} servers (${servers.urls.join(', ')}), ${workers.length} workers`);
    const started = performance.now();
    const ended = await drive(plan, { servers, workers, load, pool, signal, say });
    const tookMs = performance.now() - started;
    late.abort();
    const exits = await Promise.all(workers.map(async ({ name, stop }) => [name, await stop()] as const));
    return { load, lives: servers.lives, workerExits: new Map(exits), tookMs, ended, ledgers };
  } finally {
    late.abort();
    complete.resolve();
    // Those in processes of their own end with those.
    await Promise.all(workers.filter(({ pid }) => pid === undefined).map(({ stop }) => stop()));
    await latecomer;
    await pool.end();
  }
}

function startWorkers(plan: FleetPlan, urls: readonly string[], folder: string): Promise<FleetWorker[]> {
  const start = plan.processes ? startWorkerProcess : startWorkerHere;
  return Promise.all(
    Array.from({ length: plan.workers }, (_, index) => {
      const first = index % urls.length;
      const rotated = [...urls.slice(first), ...urls.slice(0, first)];
      // Half of them know all servers, each beginning with another one; the others wait for theirs to come back.
      const servers = index % 2 === 0 ? rotated : rotated.slice(0, 1);
      const options: FleetWorkerOptions = {
        name: `worker-${index + 1}${index % 2 === 0 ? '' : `-of-server-${first + 1}`}`,
        servers,
        folder,
        concurrency: 8,
        // The first one is stopped for longer than that.
        ttlMs: plan.processes && index === 0 ? 2_000 : 10_000,
      };
      return start(options);
    }),
  );
}
