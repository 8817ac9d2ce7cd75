import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { send } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { newDataDir, until } from '../support/embedded.ts';
import { postmasterOf, ROOT, refusedStart, startServer, stopEverything } from '../support/server-process.ts';
import { isOver, submit, untilJob } from './steps-that-count.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
});

afterEach(stopEverything);
afterAll(() => database.close());

/** The server refuses to start: exit code 1 and one line without a stack. Gives the line. */
async function refusal(settings: Record<string, string>): Promise<string> {
  const { code, said } = await refusedStart(settings);
  expect({ code, lines: said.trimEnd().split('\n').length }, said).toEqual({ code: 1, lines: 1 });
  expect(said).toMatch(/^holdfast cannot start: /);
  return said;
}

describe('a server that cannot start says why in one line and ends with 1', () => {
  it('names the other server on the same data folder, and DATABASE_URL as the way out', async () => {
    const folder = newDataDir();
    const first = await startServer({ DATA_DIR: folder });
    const said = await refusal({ DATA_DIR: folder });
    expect(said).toContain(`pid ${first.pid}`);
    expect(said).toContain('DATABASE_URL');
    // The first one has not noticed.
    const id = await submit(first, { name: 'still here', uses: 'value', with: 1 });
    expect(await untilJob(first, id, isOver)).toMatchObject({ status: 'succeeded' });
  });

  it('names a port that is taken, and stops the database that it had started', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as AddressInfo;
    const folder = newDataDir();
    try {
      const { code, said } = await refusedStart({ DATA_DIR: folder, PORT: String(port) });
      expect(code).toBe(1);
      expect(said).toMatch(new RegExp(`holdfast cannot start: port ${port} is taken; .* set PORT`));
      expect(said).not.toMatch(/ {4}at |"stack"/);
      expect(postmasterOf(folder)).toBeUndefined();
    } finally {
      holder.close();
    }
  });

  it('names all settings that are wrong, and does not listen beyond loopback unasked', async () => {
    const said = await refusal({
      PORT: 'high',
      LOG_LEVEL: 'loud',
      CLAIM_TTL: 'soon',
      ACTIONS: 'sing',
      HOST: '0.0.0.0',
    });
    for (const name of ['PORT', 'LOG_LEVEL', 'CLAIM_TTL', 'ACTIONS', 'HOST']) expect(said).toContain(name);
    expect(said).toContain('ALLOW_UNAUTHENTICATED=true');
  });

  it('names a database that does not answer, without its password', async () => {
    const said = await refusal({ DATABASE_URL: 'postgres://user:secret@127.0.0.1:1/jobs' });
    expect(said).toContain('127.0.0.1:1/jobs');
    expect(said).toContain('DATABASE_URL');
    expect(said).not.toContain('secret');
  });

  it('names the migration of a database that is newer than itself', async () => {
    const newer = await testDatabase();
    try {
      await newer.pool.query(`insert into kysely_migration values ('9000_add_future', now()::text)`);
      expect(await refusal({ DATABASE_URL: newer.url })).toContain('9000_add_future');
    } finally {
      await newer.close();
    }
  });
});

describe('several servers on one database', () => {
  it('start at once on an empty one, and each answers for all', async () => {
    const empty = await testDatabase({ empty: true });
    try {
      const settings = { DATABASE_URL: empty.url };
      const [one, two] = await Promise.all([startServer(settings), startServer(settings)]);
      const id = await submit(one, { name: 'shared', uses: 'shell', with: { run: 'true' } });
      expect(await untilJob(two, id, isOver)).toMatchObject({ status: 'succeeded' });
    } finally {
      await stopEverything();
      await empty.close();
    }
  });
});

describe('npm start', () => {
  it('serves from a fresh folder, and Ctrl-C stops everything that it started', async () => {
    const folder = newDataDir();
    const { PATH = '', HOME = '' } = process.env;
    // A process group of its own, which a terminal would send its Ctrl-C to.
    const npm = spawn('npm', ['start'], {
      cwd: ROOT,
      env: { PATH, HOME, DATA_DIR: folder, PORT: '0' },
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(npm, 'exit');
    try {
      let said = '';
      npm.stdout.on('data', (chunk: Buffer) => {
        said += chunk;
      });
      await until(() => said.includes('holdfast is ready'));
      const port = Number(/http:\/\/127\.0\.0\.1:(\d+)\/docs/.exec(said)?.[1]);
      expect((await send(port, 'GET', '/health')).json).toMatchObject({
        status: 'ok',
        database: { kind: 'embedded' },
      });
      expect(postmasterOf(folder)).toBeDefined();
      process.kill(-(npm.pid as number), 'SIGINT');
      await exited;
      expect(postmasterOf(folder)).toBeUndefined();
      await expect(send(port, 'GET', '/health')).rejects.toThrow('ECONNREFUSED');
    } finally {
      if (npm.exitCode === null && npm.signalCode === null) process.kill(-(npm.pid as number), 'SIGKILL');
    }
  });
});
