import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createDatabase, createPool } from '../../src/database/connection.ts';
import { seeded } from '../../test/engine/random-jobs.ts';
import { createClients } from './clients.ts';
import { keepEvidence } from './evidence.ts';
import { shapesOf } from './jobs.ts';
import { openLedger } from './ledger.ts';
import { startStormPostgres } from './postgres.ts';
import { type StormServer, startStormServer } from './servers.ts';
import { weather } from './weather.ts';
import { createWorker, type StormWorker, type WorkerPlan } from './workers.ts';

export interface StormPlan {
  seed: number;
  /** How long faults come. */
  ms: number;
  /** Between two of them, on average. */
  pauseMs: number;
  servers: number;
  workers: readonly WorkerPlan['language'][];
  /** How long claims hold unextended, of workers and of the servers' own pools. */
  ttlMs: number;
  /** How long everything may take to be over once nothing happens any more. */
  calmMs: number;
  /** Whether the database gets a disk of its own, so that it can be filled. */
  ownDisk: boolean;
}

/** Of the requests that go through a door, one of so many meets trouble. */
const TROUBLE = 1 / 60;
const SETTINGS = { SHUTDOWN_GRACE: '500ms', CONCURRENCY: '8', LOG_LEVEL: 'info' };
/** By hours forwards and backwards; a worker whose clock is right is among them. */
const SKEWS_MS = [0, 7_200_000, -7_200_000, 45_000, -45_000];

const skewOf = (index: number) => SKEWS_MS[index % SKEWS_MS.length] as number;

/**
 * Servers, workers and clients at work on one database, and everything that can happen to them happening to them.
 * Leaves all that is known of it in `folder`; see evidence.ts. Ends what it started, but for what is killed while it
 * starts: see the sweep of the command. Throws the signal's reason when that ends it early.
 */
export async function runStorm(
  plan: StormPlan,
  options: { folder: string; signal: AbortSignal; say(line: string): void },
): Promise<void> {
  const { folder, signal, say } = options;
  const ledgers = join(folder, 'ledgers');
  mkdirSync(ledgers, { recursive: true });
  const random = (part: number) => seeded(plan.seed * 1_000 + part);
  const over = new AbortController();
  const isOver = () => over.signal.aborted || signal.aborted;
  const postgres = await startStormPostgres(folder, plan.ownDisk);
  const pool = createPool({ connection: postgres.url, max: 2, applicationName: 'holdfast storm' });
  const servers: StormServer[] = [];
  const workers: StormWorker[] = [];
  try {
    const shapes = shapesOf(join(ledgers, 'shell.jsonl'));
    for (let index = 0; index < plan.servers; index += 1) {
      const settings = { ...SETTINGS, CLAIM_TTL: `${plan.ttlMs}ms`, DATABASE_URL: postgres.url };
      const own = { name: `server-${index + 1}`, settings, skewMs: skewOf(index), trouble: TROUBLE };
      servers.push(await startStormServer(own, random(index), isOver));
    }
    const urls = servers.map(({ door }) => door.url);
    for (const [index, language] of plan.workers.entries()) {
      const first = index % urls.length;
      const own = { name: `${language}-${index + 1}`, language, ttlMs: plan.ttlMs, skewMs: skewOf(index) };
      const known = [...urls.slice(first), ...urls.slice(0, first)];
      workers.push(createWorker({ ...own, servers: known }, ledgers, plan.seed * 100 + index));
    }
    await Promise.all(workers.map((worker) => worker.start()));
    const ledger = openLedger(ledgers, 'clients');
    const clients = createClients({ servers: urls, shapes, ledger, random: random(98), signal: over.signal });
    say(`${servers.length} servers, ${workers.length} workers, faults for ${plan.ms / 1000} s`);
    const course = await weather(
      { plan, pool, postgres, servers, workers, clients, ledger, random: random(99) },
      { signal, say },
    );
    over.abort();
    await keepEvidence(createDatabase(pool), folder, course);
  } finally {
    over.abort();
    await Promise.allSettled(workers.map((worker) => worker.kill()));
    await Promise.allSettled(servers.map((server) => server.kill().then(() => server.door.close())));
    await pool.end();
    await postgres.close();
  }
}
