import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';

/** A server process of its own, with an empty database of its own, for as long as a benchmark takes. */
export interface BenchServer {
  url: string;
  pid: number;
  /** Of the postmaster, whose children are all processes of Postgres. */
  postgresPid: number;
  database: pg.Client;
  /** Ends the process without a word and starts it again on the same data; resolves when it is ready. */
  crashAndRestart(): Promise<{ readyAt: number }>;
  /** Another server on the same database, ready; ends with this one at the latest. */
  startBeside(environment?: Record<string, string>): Promise<{ url: string; stop(): Promise<void> }>;
  stop(): Promise<void>;
}

const START_MS = 60_000;

const running = new Set<ChildProcess>();
// Also when a bench ends by an error: nothing that it started outlives it, and a server stops its own Postgres.
process.on('exit', () => {
  for (const child of running) terminate(child);
});

export async function startBenchServer(environment: Record<string, string> = {}): Promise<BenchServer> {
  const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  const own = { DATA_DIR: dataDir, ...environment };
  let child = spawnServer(own);
  let url = await readyUrl(child);
  const besides: ChildProcess[] = [];
  const database = await connect(dataDir).catch((error) => {
    child.kill('SIGTERM');
    throw error;
  });
  const postgresPid = () =>
    Number.parseInt(readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8'), 10);
  return {
    get url() {
      return url;
    },
    get pid() {
      return child.pid as number;
    },
    get postgresPid() {
      return postgresPid();
    },
    database,
    async crashAndRestart() {
      child.kill('SIGKILL');
      await once(child, 'exit');
      child = spawnServer(own);
      url = await readyUrl(child);
      return { readyAt: Date.now() };
    },
    async startBeside(settings = {}) {
      const beside = spawnServer({ DATABASE_URL: urlOf(readConnection(dataDir)), ...settings });
      besides.push(beside);
      return { url: await readyUrl(beside), stop: () => end(beside) };
    },
    async stop() {
      await database.end();
      await Promise.all(besides.map(end));
      await end(child);
      rmSync(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

function spawnServer(environment: Record<string, string>): ChildProcess {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../src/main.ts')], {
    env: { ...process.env, PORT: '0', LOG_LEVEL: 'info', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
    // Ctrl-C is for the bench, which then ends its servers: told twice, a server would end in haste.
    detached: true,
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  terminate(child);
  await ended;
}

function terminate(child: ChildProcess): void {
  // One that is held still would not hear of its end.
  child.kill('SIGCONT');
  child.kill('SIGTERM');
}

async function readyUrl(child: ChildProcess): Promise<string> {
  let text = '';
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the server did not start')), START_MS);
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${text}`)));
    child.stdout?.on('data', (chunk: Buffer) => {
      if (text === 'ready') return;
      text += chunk.toString();
      const found = /API (http:\/\/[^/\s]+)\/v1/.exec(text);
      if (!found?.[1]) return;
      clearTimeout(timer);
      text = 'ready';
      resolve(found[1]);
    });
  });
}

interface Connection {
  host: string;
  port: number;
  user: string;
  password: string;
  database: string;
}

function readConnection(dataDir: string): Connection {
  return JSON.parse(readFileSync(join(dataDir, 'holdfast.json'), 'utf8')).connection;
}

function urlOf({ host, port, user, password, database }: Connection): string {
  const query = new URLSearchParams({ host, port: String(port) });
  return `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}@/${database}?${query}`;
}

async function connect(dataDir: string): Promise<pg.Client> {
  const client = new pg.Client(readConnection(dataDir));
  // When the server is told to stop together with the bench, the connection ends first.
  client.on('error', () => {});
  await client.connect();
  return client;
}
