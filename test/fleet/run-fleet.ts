import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createPool } from '../../src/database/connection.ts';
import { createLoad, type Load, readProgress } from './load.ts';
import { type FleetServers, type Life, startFleetServers } from './servers.ts';
import {
  type FleetWorker,
  type FleetWorkerOptions,
  runLatecomer,
  startWorkerHere,
  startWorkerProcess,
} from './workers.ts';

export interface FleetPlan {
  servers: number;
  workers: number;
  /** Workers in processes of their own, one of which is stopped for a while (SIGSTOP); else all in this one. */
  processes: boolean;
  /** Goes on until at least so many steps were submitted, and until all that is to happen has happened. */
  steps: number;
  /** Between two submits of about 120 steps, in milliseconds. */
  pauseMs: number;
  /** What happens to the servers: one after the other, spread over the steps. */
  happens: readonly Happening[];
  /** Milliseconds; then the run has failed. */
  deadlineMs: number;
}

export interface Happening {
  what: 'kill' | 'stop';
  server: number;
  /** How long it stays away, in milliseconds. */
  awayMs: number;
}

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

/** Steps that may be open at once: enough for every worker, and not so many that all wait. */
const BACKLOG = 1_500;
const LOOK_MS = 200;
const SAY_MS = 2_000;
const STALL_MS = 6_000;
// What is lost with a server is back long before it would expire, so that one is not taken for the other.
const SERVER_SETTINGS = { CLAIM_TTL: '8s', SHUTDOWN_GRACE: '300ms', CONCURRENCY: '12', LOG_LEVEL: 'info' };

const nap = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

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
  const complete = Promise.withResolvers<void>();
  try {
    const servers = await startFleetServers(
      plan.servers,
      { ...SERVER_SETTINGS, DATABASE_URL: databaseUrl },
      pool,
    );
    const load = createLoad(servers.urls, String(Date.now()));
    const claimed = Promise.withResolvers<void>();
    const onClaim = () => {
      claimed.resolve();
      return complete.promise;
    };
    latecomer = runLatecomer({ servers: servers.urls, folder: ledgers, onClaim }, late.signal);
    // Later, with everybody asking, it may be long before it has a claim to lose.
    await load.submit();
    await claimed.promise;
    const workers = await startWorkers(plan, servers.urls, ledgers);
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

interface Driven {
  servers: FleetServers;
  workers: readonly FleetWorker[];
  load: ReturnType<typeof createLoad>;
  pool: ReturnType<typeof createPool>;
  signal: AbortSignal;
  say(line: string): void;
}

/** Submits, and lets happen what is to happen, until every job has ended. Whether that was in time. */
async function drive(plan: FleetPlan, driven: Driven): Promise<boolean> {
  const { load, pool, signal, say } = driven;
  const started = performance.now();
  let progress = { steps: 0, over: 0, openJobs: 0, failed: 0 };
  let saidAt = 0;
  let happened = false;
  let broken: unknown;
  const isOver = () =>
    broken !== undefined || signal.aborted || performance.now() - started > plan.deadlineMs;
  const seconds = () => ((performance.now() - started) / 1000).toFixed(1).padStart(6);
  const tell = (line: string) => say(`${seconds()} s  ${line}`);
  const catching = (work: Promise<void>) =>
    work.catch((error) => {
      broken ??= error;
    });

  const submitting = async () => {
    while (!isOver() && (load.steps < plan.steps || !happened)) {
      if (load.steps - progress.over < Math.min(BACKLOG, plan.steps / 8)) await load.submit();
      await nap(Math.max(plan.pauseMs, 5));
    }
  };
  const happening = async () => {
    for (const [index, one] of plan.happens.entries()) {
      const from = (plan.steps * (index + 1)) / (plan.happens.length + 1.5);
      while (progress.over < from && !isOver()) await nap(20);
      if (isOver()) return;
      await letHappen(one, driven.servers, tell);
    }
    happened = true;
  };
  const stalling = async () => {
    const pid = driven.workers[0]?.pid;
    if (pid === undefined) return;
    while (progress.over < plan.steps / 10 && !isOver()) await nap(20);
    if (isOver()) return;
    process.kill(pid, 'SIGSTOP');
    tell(`worker-1 stands still for ${STALL_MS / 1000} s, three times as long as its claims last`);
    await nap(STALL_MS);
    process.kill(pid, 'SIGCONT');
    tell('worker-1 goes on');
  };
  const looking = async () => {
    const working = () => load.steps < plan.steps || !happened || progress.openJobs > 0;
    while (!isOver() && (working() || progress.steps < load.steps)) {
      progress = await readProgress(pool);
      if (performance.now() - saidAt > SAY_MS) {
        saidAt = performance.now();
        tell(`${progress.over} of ${Math.max(plan.steps, load.steps)} steps, ${progress.openJobs} jobs open`);
      }
      await nap(LOOK_MS);
    }
  };
  await Promise.all([submitting(), happening(), stalling(), looking()].map(catching));
  if (broken !== undefined) throw broken;
  signal.throwIfAborted();
  progress = await readProgress(pool);
  tell(`${progress.over} of ${load.steps} steps, ${progress.openJobs} jobs open`);
  return progress.openJobs === 0;
}

async function letHappen(one: Happening, servers: FleetServers, tell: (line: string) => void): Promise<void> {
  const { what, server, awayMs } = one;
  await (what === 'kill' ? servers.kill(server) : servers.stop(server));
  const end = servers.lives.findLast((life) => life.server === `server ${server + 1}`)?.end;
  const how = what === 'kill' ? 'was killed' : `stopped when told to (exit code ${end?.code})`;
  tell(`server ${server + 1} ${how}, with ${end?.held} steps of its own running`);
  await nap(awayMs);
  await servers.start(server);
  tell(`server ${server + 1} is back`);
}
