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
  database: pg.Client;
  /** Ends the process without a word and starts it again on the same data; resolves when it is ready. */
  crashAndRestart(): Promise<{ readyAt: number }>;
  stop(): Promise<void>;
}

const START_MS = 60_000;

export async function startBenchServer(environment: Record<string, string> = {}): Promise<BenchServer> {
  const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  let child = spawnServer(dataDir, environment);
  let url = await readyUrl(child);
  const database = await connect(dataDir).catch((error) => {
    child.kill('SIGTERM');
    throw error;
  });
  return {
    get url() {
      return url;
    },
    get pid() {
      return child.pid as number;
    },
    database,
    async crashAndRestart() {
      child.kill('SIGKILL');
      await once(child, 'exit');
      child = spawnServer(dataDir, environment);
      url = await readyUrl(child);
      return { readyAt: Date.now() };
    },
    async stop() {
      await database.end();
      child.kill('SIGTERM');
      await once(child, 'exit');
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

function spawnServer(dataDir: string, environment: Record<string, string>): ChildProcess {
  return spawn(process.execPath, [join(import.meta.dirname, '../src/main.ts')], {
    env: { ...process.env, DATA_DIR: dataDir, PORT: '0', LOG_LEVEL: 'info', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
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

async function connect(dataDir: string): Promise<pg.Client> {
  const client = new pg.Client(JSON.parse(readFileSync(join(dataDir, 'holdfast.json'), 'utf8')).connection);
  await client.connect();
  return client;
}
