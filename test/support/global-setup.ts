import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { addressOf, type DatabaseAddress } from '../../src/database/connection.ts';
import { migrate } from '../../src/database/migrations.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The server's address as a URL, and the name of the migrated database that test files copy. */
    testServer: { url: string; template: string };
  }
}

const OWNER = fileURLToPath(new URL('embedded-owner.ts', import.meta.url));

/**
 * One PostgreSQL for the whole run: that of TEST_DATABASE_URL, or an embedded one in a temporary folder. One
 * template database is migrated in it.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env['TEST_DATABASE_URL'];
  const embedded = given === undefined ? await startForTests() : undefined;
  const url = given ?? embedded?.url ?? '';
  const template = `holdfast_test_template_${process.pid}`;
  await onServer(url, `create database ${template}`);
  await migrate(withDatabase(url, template));
  project.provide('testServer', { url, template });
  return async () => {
    if (embedded === undefined) await onServer(url, `drop database if exists ${template} with (force)`);
    else await embedded.stop();
  };
}

async function startForTests(): Promise<{ url: string; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  // As root the database runs as another user, which must get in.
  chmodSync(folder, 0o755);
  // Nobody reads this data after the run, so nothing waits for the disk.
  const settings = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', max_connections: '300' };
  const owner = spawn(process.execPath, [OWNER, folder, JSON.stringify(settings), 'remove'], {
    // A session of its own: it hears of the end of the run by its input alone, also after Ctrl-C.
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const connection = await firstLine(owner);
  return {
    url: urlOf(connection),
    stop: async () => {
      const gone = once(owner, 'exit');
      owner.stdin?.end();
      await gone;
    },
  };
}

async function firstLine(owner: ChildProcess): Promise<Exclude<DatabaseAddress, string>> {
  if (owner.stdout === null) throw new Error('the owner of the test database has no output');
  for await (const line of createInterface({ input: owner.stdout })) {
    const { connection, error } = JSON.parse(line) as { connection: Exclude<DatabaseAddress, string>; error?: string };
    if (error !== undefined) throw new Error(`The test database does not start: ${error}`);
    return connection;
  }
  throw new Error('The test database does not start');
}

function urlOf({ host, port, user, password, database }: Exclude<DatabaseAddress, string>): string {
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
  if (!host.startsWith('/')) return `postgres://${login}@${host}:${port}/${database}`;
  return `postgres://${login}@/${database}?host=${encodeURIComponent(host)}&port=${port}`;
}

function withDatabase(url: string, database: string): string {
  return url.replace(/^(\w+:\/\/[^/]*\/)[^?]*/, `$1${database}`);
}

async function onServer(url: string, statement: string): Promise<void> {
  const client = new pg.Client(addressOf(url));
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
