import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { livePostmaster } from '../../src/database/embedded/pid-file.ts';
import type { EmbeddedConnection } from '../../src/database/embedded/settings.ts';

/** A process that holds an embedded PostgreSQL, as a server would. */
export type Owner = {
  pid: number;
  connection: EmbeddedConnection;
  tookOver: boolean;
  /** Resolves once the process has ended. */
  gone: Promise<unknown>;
  /** Lets it stop the database and end. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
};

const SCRIPT = fileURLToPath(new URL('embedded-owner.ts', import.meta.url));
const DATA = 'data';

// What the operating system has is safe from SIGKILL, so nothing here need wait for the disk.
const FAST = { fsync: 'off', full_page_writes: 'off' };

const owners: ChildProcess[] = [];
const folders: string[] = [];

/** A temporary folder that other users may pass through, unless told otherwise. */
export function newDataDir({ uid, mode = 0o755 }: { uid?: number; mode?: number } = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  folders.push(folder);
  if (uid !== undefined) chownSync(folder, uid, uid);
  chmodSync(folder, mode);
  return folder;
}

/** Starts a process that holds the database of a folder; rejects with the message of its refusal. */
export async function startOwner(
  dataDir: string,
  options: { settings?: Record<string, string>; uid?: number; remove?: boolean } = {},
): Promise<Owner> {
  const { settings = FAST, uid, remove = false } = options;
  const child = spawn(
    process.execPath,
    [SCRIPT, dataDir, JSON.stringify(settings), ...(remove ? ['remove'] : [])],
    {
      // A session of its own: it hears of the end of the run by its input alone, also after Ctrl-C.
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
      ...(uid === undefined ? {} : { uid, gid: uid }),
    },
  );
  owners.push(child);
  const gone = once(child, 'exit');
  const started = await firstLine(child);
  return {
    pid: child.pid ?? -1,
    ...started,
    gone,
    stop: async () => {
      child.stdin.end();
      await gone;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await gone;
    },
  };
}

async function firstLine(child: ChildProcess): Promise<Pick<Owner, 'connection' | 'tookOver'>> {
  if (child.stdout === null) throw new Error('the owner of the database has no output');
  for await (const line of createInterface({ input: child.stdout })) {
    const { error, ...started } = JSON.parse(line) as Pick<Owner, 'connection' | 'tookOver'> & {
      error?: string;
    };
    if (error !== undefined) throw new Error(error);
    return started;
  }
  throw new Error('the owner of the database ended without a word');
}

/** The same address as a URL. */
export function urlOf({ host, port, user, password, database }: EmbeddedConnection): string {
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
  if (!host.startsWith('/')) return `postgres://${login}@${host}:${port}/${database}`;
  return `postgres://${login}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
}

/** Runs a statement over a connection of its own. */
export async function query(owner: Owner, statement: string): Promise<unknown[]> {
  const client = new pg.Client(owner.connection);
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query(statement)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}

/** Waits for a condition, up to a deadline. */
export async function until(condition: () => Promise<boolean> | boolean, deadlineMs = 20_000): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Ends what the test started, in whatever state it is, and removes its folders. */
export async function cleanUp(): Promise<void> {
  for (const owner of owners.splice(0)) {
    if (owner.exitCode !== null || owner.signalCode !== null) continue;
    owner.kill('SIGKILL');
    await once(owner, 'exit');
  }
  for (const folder of folders.splice(0)) {
    for (const cluster of clustersIn(folder)) {
      const pid = livePostmaster(cluster);
      if (pid !== undefined) process.kill(pid, 'SIGQUIT');
      await until(() => livePostmaster(cluster) === undefined);
    }
    rmSync(folder, { recursive: true, force: true });
  }
}

function clustersIn(folder: string): string[] {
  return [folder, join(folder, DATA), join(folder, 'x'.repeat(100))].map((dataDir) =>
    join(dataDir, 'postgres'),
  );
}
