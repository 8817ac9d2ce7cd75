import { networkInterfaces } from 'node:os';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { send } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { newDataDir, until } from '../support/embedded.ts';
import { answerOf, open } from '../support/raw.ts';
import { postmasterOf, refusedStart, startServer, stopEverything } from '../support/server-process.ts';
import { isOver, submit, untilJob } from './steps-that-count.ts';

// One for each test: what servers of others offered is remembered for some seconds.
let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase();
});
afterEach(async () => {
  await stopEverything();
  await database.close();
});

const shell = { name: 'shell', uses: 'shell', with: { run: 'echo from the shell' } };
const beyond = { HOST: '0.0.0.0', ALLOW_UNAUTHENTICATED: 'true' };
/** An address of this machine that others may reach; not every machine has one. */
const address = Object.values(networkInterfaces())
  .flat()
  .find((one) => one?.family === 'IPv4' && !one.internal)?.address;

describe('a server', () => {
  test.each(['0.0.0.0', 'holdfast.example'])(
    'does not listen on %s unless it is told that anyone may use it',
    async (HOST) => {
      const { code, said } = await refusedStart({ DATABASE_URL: database.url, HOST });
      expect(code).toBe(1);
      expect(said.trimEnd().split('\n')).toEqual([
        expect.stringMatching(
          /^holdfast cannot start: HOST=.* is beyond loopback.* ALLOW_UNAUTHENTICATED=true/,
        ),
      ]);
      expect(said).toContain(HOST);
    },
  );

  test.each(['127.0.0.2', 'localhost'])('listens on %s unasked, and answers to it', async (HOST) => {
    const server = await startServer({ DATABASE_URL: database.url, HOST });
    const answer = await fetch(`http://${HOST}:${server.port}/livez`);
    expect(answer.status).toBe(200);
  });
});

describe('a server that listens beyond loopback', () => {
  it('has no shell, and says so to whoever submits one', async () => {
    const server = await startServer({ DATABASE_URL: database.url, ...beyond });
    const { status, json } = await send(server.port, 'POST', '/v1/jobs', { body: shell });
    expect(status).toBe(202);
    expect(JSON.stringify(json.warnings)).toContain('ACTIONS');
    const step = await send(server.port, 'GET', `/v1/jobs/${json.id}/steps/main`);
    expect(step.json).toMatchObject({ status: 'ready', attempt: 0 });
    expect(step.json.blocked_by[0]).toMatchObject({
      code: 'no_worker',
      message: expect.stringContaining('ACTIONS'),
    });
    // Others go on as ever.
    const other = await submit(server, { name: 'value', uses: 'value', with: 1 });
    expect(await untilJob(server, other, isOver)).toMatchObject({ status: 'succeeded' });
    expect((await send(server.port, 'GET', `/v1/jobs/${json.id}`)).json.status).toBe('queued');
  });

  it('has the shell when ACTIONS names it', async () => {
    const server = await startServer({ DATABASE_URL: database.url, ...beyond, ACTIONS: 'shell, value' });
    const id = await submit(server, shell);
    expect(await untilJob(server, id, isOver)).toMatchObject({ status: 'succeeded' });
  });

  it('checks hosts all the same: names must be allowed, and the address that was reached is fine', async () => {
    const settings = { DATABASE_URL: database.url, ...beyond, ALLOWED_HOSTS: 'holdfast.example' };
    const server = await startServer(settings);
    const status = async (host: string) =>
      (await send(server.port, 'GET', '/livez', { headers: { host } })).status;
    expect(await status('holdfast.example')).toBe(200);
    expect(await status('other.example')).toBe(403);
    expect(await status('10.1.2.3')).toBe(403);
    if (address === undefined) return;
    expect((await fetch(`http://${address}:${server.port}/livez`)).status).toBe(200);
  });
});

describe('a server that is told to stop', () => {
  it('does so in time, its database too, though clients hold their connections and say nothing', async () => {
    const folder = newDataDir();
    const server = await startServer({ DATA_DIR: folder, SHUTDOWN_GRACE: '1s' });
    const [silent, half] = [await open(server.port), await open(server.port)];
    half.write(
      'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{',
    );
    const ends = Promise.all([answerOf(silent), answerOf(half)]);
    await until(() => send(server.port, 'GET', '/livez').then(({ status }) => status === 200));
    expect(await server.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(postmasterOf(folder)).toBeUndefined();
    expect(server.log()).toContain('"stopped"');
    await ends;
  });
});
