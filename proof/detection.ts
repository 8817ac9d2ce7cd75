/**
 * How soon a death is noticed: of a remote worker, of a server beside another one, of a server that is started again.
 * `node proof/detection.ts`; ROUNDS (20) of each. Prints medians and the slowest; ends with 1 when one took longer than
 * is promised.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import pg from 'pg';
import { createClient } from '../client/src/index.ts';
import { newDataDir, startOwner, until, urlOf } from '../test/support/embedded.ts';
import {
  databaseOf,
  ROOT,
  type ServerProcess,
  startServer,
  stopEverything,
} from '../test/support/server-process.ts';

const ROUNDS = Number(process.env.ROUNDS ?? 20);
const TTL_MS = 2_000;
const PROMISED_MS = { worker: TTL_MS + 1_000, server: 5_000, restart: 2_000 };
const SLEEP = { uses: 'shell', with: { run: 'sleep 60' } };

/** A worker that takes one step and never ends it; registered once this resolves. */
async function startSleeper(server: string): Promise<ChildProcess> {
  const program = `
    import { Worker } from './client/src/index.ts';
    const worker = new Worker({ server: '${server}', ttlMs: ${TTL_MS}, onEvent: () => {},
      actions: { sleep: () => new Promise(() => {}) } });
    await worker.start();
    console.log('registered');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

/** Milliseconds since 1970, by the database, of the end of the first attempt of a job's only step; waits for it. */
async function lostAt(client: pg.Client, job: string): Promise<number> {
  let found: number | undefined;
  await until(async () => {
    const query =
      'select extract(epoch from finished_at)::float8 * 1000 as at from attempt where job_id = $1';
    found = (await client.query<{ at: number }>(query, [job])).rows[0]?.at;
    return found !== undefined;
  });
  return found as number;
}

/** The same of the beginning of its second attempt. */
async function startedAgainAt(client: pg.Client, job: string): Promise<number> {
  let found: number | undefined;
  await until(async () => {
    const query = `select extract(epoch from started_at)::float8 * 1000 as at from step
      where job_id = $1 and status = 'running' and attempt = 2`;
    found = (await client.query<{ at: number }>(query, [job])).rows[0]?.at;
    return found !== undefined;
  });
  return found as number;
}

/** Submits a job of one step and waits until the step runs. */
async function submitRunning(server: ServerProcess, step: object): Promise<string> {
  const api = createClient({ server: server.url });
  const { id } = await api.submit({ name: 'asleep', ...step } as never);
  await until(async () => (await api.get(id)).steps.running === 1);
  return id;
}

async function connected(options: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client(options);
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** A server judges nobody in its first seconds; in earnest it is there for longer than that. */
const untilJudging = (server: ServerProcess) => until(() => Date.now() - server.readyAt > TTL_MS + 1_000);

async function workerDies(url: string, client: pg.Client): Promise<number> {
  const server = await startServer({ DATABASE_URL: url, CLAIM_TTL: `${TTL_MS}ms` });
  const worker = await startSleeper(server.url);
  const job = await submitRunning(server, { uses: 'sleep' });
  await untilJudging(server);
  const at = Date.now();
  worker.kill('SIGKILL');
  const lost = (await lostAt(client, job)) - at;
  await createClient({ server: server.url }).cancel(job);
  await server.kill('SIGTERM');
  return lost;
}

async function serverDies(url: string, client: pg.Client): Promise<number> {
  const doomed = await startServer({ DATABASE_URL: url });
  const job = await submitRunning(doomed, SLEEP);
  const other = await startServer({ DATABASE_URL: url, ACTIONS: 'value' });
  await untilJudging(other);
  const at = Date.now();
  await doomed.kill();
  const lost = (await lostAt(client, job)) - at;
  await createClient({ server: other.url }).cancel(job);
  await other.kill('SIGTERM');
  return lost;
}

async function serverStartsAgain(): Promise<number> {
  const DATA_DIR = newDataDir();
  const doomed = await startServer({ DATA_DIR });
  const job = await submitRunning(doomed, SLEEP);
  await doomed.kill();
  const again = await startServer({ DATA_DIR });
  const client = await connected(databaseOf(DATA_DIR));
  const started = await startedAgainAt(client, job);
  await client.end();
  await again.kill('SIGTERM');
  return started - again.readyAt;
}

async function measure(what: string, promisedMs: number, round: () => Promise<number>): Promise<boolean> {
  const took: number[] = [];
  for (let i = 0; i < ROUNDS; i += 1) took.push(await round());
  took.sort((a, b) => a - b);
  const [median = 0, slowest = 0] = [took[Math.floor(ROUNDS / 2)], took.at(-1)];
  const [m, s] = [median, slowest].map((ms) => `${Math.round(ms)} ms`);
  process.stdout.write(`${what.padEnd(62)} median ${m}, slowest ${s}, promised ${promisedMs} ms\n`);
  return slowest <= promisedMs;
}

try {
  const owner = await startOwner(newDataDir(), { settings: {} });
  const url = urlOf(owner.connection);
  const client = await connected(owner.connection);
  const kept = [
    await measure(`remote worker killed, ttl ${TTL_MS} ms: its step given back`, PROMISED_MS.worker, () =>
      workerDies(url, client),
    ),
    await measure('server killed, another one there: its step given back', PROMISED_MS.server, () =>
      serverDies(url, client),
    ),
    await measure(
      'server started again: from ready to its first resumed step',
      PROMISED_MS.restart,
      serverStartsAgain,
    ),
  ];
  await client.end();
  process.exitCode = kept.every(Boolean) ? 0 : 1;
} finally {
  await stopEverything();
}
process.exit();
