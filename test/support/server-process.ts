import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { livePostmaster } from '../../src/database/embedded/pid-file.ts';
import { dataFolder, type EmbeddedConnection, readDetails } from '../../src/database/embedded/settings.ts';
import { cleanUp, newDataDir, until } from './embedded.ts';

/** The clone's root. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
// As `npm start` starts it.
const PRESTART = join(ROOT, 'scripts/prestart.cjs');
const MAIN = join(ROOT, 'src/main.ts');
const READY_MS = 60_000;

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A line of the server's log. */
export type LogLine = Record<string, unknown> & { level: string; time: string; msg: string };

/** A Holdfast server as a user starts it: a process of its own. */
export interface ServerProcess {
  pid: number;
  /** Where it listens, such as http://127.0.0.1:40123. */
  url: string;
  port: number;
  /** When it said that it is ready, in milliseconds since 1970. */
  readyAt: number;
  /** What it wrote to standard output so far. */
  log(): string;
  logLines(): LogLine[];
  /** Sends a signal and waits for the end. */
  kill(signal?: NodeJS.Signals): Promise<Exit>;
  /** Resolves when the process has ended. */
  exited: Promise<Exit>;
}

const children = new Set<ChildProcess>();
// Also when the run ends by an error: nothing that a test started outlives it.
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** The environment of a server: the settings given, and none of this process's own. */
function environment(settings: Record<string, string>): Record<string, string> {
  const { PATH = '', HOME = '', LANG = '' } = process.env;
  // A folder of its own, because a server that is killed may leave temporary files behind.
  return { PATH, HOME, LANG, TMPDIR: newDataDir({ mode: 0o700 }), PORT: '0', ...settings };
}

/** A server process that may well refuse to start. */
export function spawnServer(settings: Record<string, string>): {
  child: ChildProcess;
  stdout: () => string;
  stderr: () => string;
  exited: Promise<Exit>;
} {
  const child = spawn(process.execPath, ['--require', PRESTART, MAIN], {
    cwd: ROOT,
    env: environment(settings),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  const exited = once(child, 'close').then(([code, signal]): Exit => {
    children.delete(child);
    return { code, signal };
  });
  return { child, stdout: () => stdout, stderr: () => stderr, exited };
}

/**
 * Starts a server and waits until it is ready. `settings` are its environment variables, of which DATA_DIR or
 * DATABASE_URL is needed; it takes a free port by itself. Throws with what the server said when it does not start.
 */
export async function startServer(
  settings: Record<string, string>,
  readyMs: number = READY_MS,
): Promise<ServerProcess> {
  const { child, stdout, stderr, exited } = spawnServer(settings);
  const said = () => READY.exec(stdout());
  await until(() => said() !== null || child.exitCode !== null || child.signalCode !== null, readyMs).catch(
    () => {},
  );
  const [, url = '', port = ''] = said() ?? [];
  if (url === '') throw new Error(`the server did not get ready: ${stdout()}${stderr()}`);
  const logLines = () =>
    stdout()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LogLine);
  return {
    pid: child.pid as number,
    url,
    port: Number(port),
    readyAt: Date.parse(logLines().find(({ msg }) => READY.test(msg))?.time ?? ''),
    log: stdout,
    logLines,
    kill: (signal = 'SIGKILL') => {
      child.kill(signal);
      return exited;
    },
    exited,
  };
}

const READY = /holdfast is ready: API (http:\/\/[^/\s]+:(\d+))\/v1/;

/** Runs a server that should refuse to start; gives its exit code and what it said. */
export async function refusedStart(
  settings: Record<string, string>,
): Promise<{ code: number | null; said: string }> {
  const { child, stdout, stderr, exited } = spawnServer(settings);
  const deadline = setTimeout(() => child.kill('SIGKILL'), READY_MS);
  const { code } = await exited;
  clearTimeout(deadline);
  return { code, said: stdout() + stderr() };
}

/** Ends whatever was started through this file and embedded.ts, in whatever state it is. For `afterEach`. */
export async function stopEverything(): Promise<void> {
  const running = [...children];
  for (const child of running) child.kill('SIGKILL');
  await until(() => running.every((child) => !children.has(child)));
  await cleanUp();
}

/** Pid of the PostgreSQL that a server keeps in its data folder, while it lives. */
export function postmasterOf(dataDir: string): number | undefined {
  return livePostmaster(dataFolder(dataDir).cluster);
}

/** How to reach that PostgreSQL. */
export function databaseOf(dataDir: string): EmbeddedConnection {
  const details = readDetails(dataFolder(dataDir));
  if (details === undefined) throw new Error(`${dataDir} holds no database`);
  return details;
}
