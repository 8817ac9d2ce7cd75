import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { createClient } from '../../client/src/index.ts';
import { createPool } from '../../src/database/connection.ts';
import { type ServerProcess, startServer } from '../../test/support/server-process.ts';
import { startService } from '../../test/support/services.ts';
import { type Account, type Load, startLoad } from './load.ts';
import type { Sample } from './quantities.ts';
import { keepRetention, type Retention } from './retention.ts';
import { sampler } from './take-sample.ts';
import { type SoakWorker, startWorker } from './workers.ts';

export interface SoakPlan {
  minutes: number;
  /** Jobs a second; each has eight steps on average. */
  rate: number;
  servers: number;
  workers: number;
  /** How long jobs are kept after their end, in milliseconds; longer than their clients look at them. */
  keepMs: number;
  /** The same in the end, when nobody looks at them any more. */
  lastKeepMs: number;
  /** Between two looks, in milliseconds. */
  everyMs: number;
  /** For how long measured times count, in milliseconds. */
  windowMs: number;
}

/** What came of a run, besides what the database holds. */
export interface SoakRun {
  plan: SoakPlan;
  account: Account;
  samples: readonly Sample[];
  servers: readonly ServerProcess[];
  /** Exit codes by names. */
  exits: ReadonlyMap<string, number | null>;
  /** Jobs that ended before are deleted, those that ended later are there; in milliseconds since 1970. */
  keptSince: number;
  /** Jobs that the cleanup deleted for who asked. */
  cleanedUp: number;
}

/** How long jobs may take to end after the last submit. */
const DRAIN_MS = 90_000;
const SAY_MS = 30_000;

/** The first quarter is not judged: programs grow into their work, and tables until the first rows are deleted. */
export const warmUpOf = ({ minutes }: SoakPlan): number => minutes / 4;

/** What is usual for so many minutes. */
export function planOf(minutes: number): SoakPlan {
  const everyMs = Math.min(5_000, Math.max(500, (minutes * 60_000) / 720));
  const keepMs = Math.max(10_000, minutes * 5_000);
  return {
    minutes,
    rate: 4,
    servers: 2,
    workers: 2,
    keepMs,
    lastKeepMs: keepMs,
    everyMs,
    windowMs: everyMs * 6,
  };
}

/**
 * Steady load on servers and workers of their own for so many minutes, on an empty database. Appends every look to
 * `samples.jsonl` in the folder. Ends early, with an error, by the signal. Servers have stopped when it returns; what is
 * left after an error whoever called ends.
 */
export async function runSoak(
  plan: SoakPlan,
  options: { databaseUrl: string; folder: string; signal: AbortSignal; say(line: string): void },
): Promise<SoakRun> {
  const { databaseUrl, folder, signal, say } = options;
  const pool = createPool({ connection: databaseUrl, max: 3, applicationName: 'holdfast soak' });
  const over = new AbortController();
  try {
    const service = await startService((_, response) => void response.end('{"rows":[1,2,3]}'));
    const servers = await startServers(plan, databaseUrl, service.port);
    const urls = servers.map(({ url }) => url);
    const workers = await Promise.all(
      Array.from({ length: plan.workers }, (_, i) =>
        startWorker(`worker ${i + 1}`, [...urls.slice(i % urls.length), ...urls.slice(0, i % urls.length)]),
      ),
    );
    say(
      `${servers.length} servers (${urls.join(', ')}), ${workers.length} workers, ${plan.rate} jobs a second`,
    );
    const stopping = AbortSignal.any([signal, over.signal]);
    const ending = AbortSignal.any([stopping, AbortSignal.timeout(plan.minutes * 60_000)]);
    const load = startLoad({
      ...{ servers: urls, service: `http://127.0.0.1:${service.port}/`, rate: plan.rate },
      ...{ windowMs: plan.windowMs, ending, signal: stopping },
    });
    const failed = (what: string) => (error: unknown) =>
      void (stopping.aborted || load.account.wrong.push(`${what}: ${error}`));
    const retention = keepRetention(
      {
        ...{ pool, client: createClient({ server: urls }), keepMs: plan.keepMs },
        ...{ everyMs: Math.max(500, plan.keepMs / 20), signal: stopping },
      },
      failed('cleanup'),
    );
    const look = sampler(pool, watched(servers, workers), plan.windowMs);
    const record = recorder({ plan, folder, say, load, look });
    const late = new Promise<void>((resolve) =>
      setTimeout(resolve, plan.minutes * 60_000 + DRAIN_MS).unref(),
    );
    await lookOn(plan, record, Promise.race([load.over, late]), failed('a look'));
    return await end({ plan, signal, load, retention, servers, workers, samples: record.samples });
  } finally {
    over.abort();
    await pool.end();
  }
}

function startServers(plan: SoakPlan, databaseUrl: string, port: number): Promise<ServerProcess[]> {
  const settings = {
    ...{ DATABASE_URL: databaseUrl, RETENTION_DAYS: '1', LOG_LEVEL: 'info' },
    ...{ OUTBOUND_ALLOW: `127.0.0.1:${port}`, CONCURRENCY: '8' },
  };
  return Promise.all(Array.from({ length: plan.servers }, () => startServer(settings, 60_000)));
}

function watched(servers: readonly ServerProcess[], workers: readonly SoakWorker[]) {
  return [
    ...servers.map(({ pid, url }, index) => ({ name: `server ${index + 1}`, pid, url })),
    ...workers.map(({ name, pid }) => ({ name, pid })),
  ];
}

type Recorder = (() => Promise<void>) & { samples: readonly Sample[] };

/** Takes a sample, writes it down, and tells of one now and then. */
function recorder(parts: {
  plan: SoakPlan;
  folder: string;
  load: Load;
  look(): Promise<Record<string, number>>;
  say(line: string): void;
}): Recorder {
  const { plan, folder, load, look, say } = parts;
  const file = join(folder, 'samples.jsonl');
  const samples: Sample[] = [];
  const started = performance.now();
  let saidAt = started;
  appendFileSync(file, `${JSON.stringify({ plan, at: new Date().toISOString() })}\n`);
  const record = async () => {
    const figures = { ...(await look()), ...load.times() };
    const sample = { minute: Number(((performance.now() - started) / 60_000).toFixed(4)), figures };
    samples.push(sample);
    appendFileSync(file, `${JSON.stringify(sample)}\n`);
    if (performance.now() - saidAt < SAY_MS) return;
    saidAt = performance.now();
    say(
      `${sample.minute.toFixed(1).padStart(6)} min  ${load.account.jobs.size} jobs, ${describe(figures, load)}`,
    );
  };
  return Object.assign(record, { samples });
}

function describe(figures: Record<string, number>, load: Load): string {
  const mb = (name: string) => `${((figures[name] ?? 0) / 1_000_000).toFixed(0)} MB`;
  const ms = (name: string) => `${(figures[name] ?? 0).toFixed(0)}`;
  return [
    `${load.open()} open`,
    `server 1: ${mb('server 1 rss')}, ${ms('server 1 cpu')} % of a core`,
    `database ${mb('database bytes')}`,
    `${figures['table step live'] ?? 0} steps kept, ${figures['table step dead'] ?? 0} dead`,
    `submit ${ms('submit p50')}/${ms('submit p99')} ms`,
    `job ${ms('done p50')}/${ms('done p99')} ms`,
    ...(load.account.wrong.length === 0
      ? []
      : [`WRONG: ${load.account.wrong.length}, ${load.account.wrong[0]}`]),
  ].join('; ');
}

/** Looks until the load is over, and once more then. */
async function lookOn(
  { everyMs }: SoakPlan,
  record: Recorder,
  over: Promise<void>,
  onError: (error: unknown) => void,
): Promise<void> {
  let isOver = false;
  const end = over.then(() => {
    isOver = true;
  });
  while (!isOver) {
    const began = performance.now();
    await record().catch(onError);
    const rest = Math.max(0, everyMs - (performance.now() - began));
    await Promise.race([new Promise((resolve) => setTimeout(resolve, rest)), end]);
  }
  await record().catch(onError);
}

/** Deletes what is due, lets workers and servers leave. */
async function end(parts: {
  plan: SoakPlan;
  signal: AbortSignal;
  load: Load;
  retention: Retention;
  servers: readonly ServerProcess[];
  workers: readonly SoakWorker[];
  samples: readonly Sample[];
}): Promise<SoakRun> {
  const { plan, signal, load, retention, servers, workers, samples } = parts;
  signal.throwIfAborted();
  const keptSince = await retention.sweep(plan.lastKeepMs);
  const left = await Promise.all(workers.map(async ({ name, stop }) => [name, await stop()] as const));
  const stopped = await Promise.all(
    servers.map(async (server, i) => [`server ${i + 1}`, (await server.kill('SIGTERM')).code] as const),
  );
  const exits = new Map([...left, ...stopped]);
  return { plan, account: load.account, samples, servers, exits, keptSince, cleanedUp: retention.deleted() };
}
