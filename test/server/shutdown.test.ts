import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { isRunning } from '../actions/shell-step.ts';
import { send } from '../support/api.ts';
import { testDatabase } from '../support/database.ts';
import { newDataDir, until } from '../support/embedded.ts';
import { postmasterOf, spawnServer, startServer, stopEverything } from '../support/server-process.ts';
import { getStep, isOver, submit, untilJob } from './steps-that-count.ts';

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  await stopEverything();
  for (const close of closers.splice(0)) await close();
});

async function sharedDatabase(): Promise<string> {
  const database = await testDatabase();
  closers.push(database.close);
  return database.url;
}

/** Two steps side by side: `quick` ends within the grace; `long`, at its first attempt, never does. */
function twoSteps(folder: string): object {
  const mark = 'echo $$ > "$FOLDER/$HOLDFAST_STEP.$HOLDFAST_ATTEMPT"; ';
  const env = { FOLDER: folder };
  return {
    name: 'two steps',
    steps: [
      { name: 'quick', uses: 'shell', with: { run: `${mark} sleep 0.7; echo done`, env } },
      {
        name: 'long',
        uses: 'shell',
        with: { run: `${mark} [ "$HOLDFAST_ATTEMPT" -gt 1 ] || sleep 300`, env },
      },
    ],
  };
}

/** The process that wrote its number there. A file is there before its content is. */
async function pidFrom(file: string): Promise<number> {
  const written = () => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n');
  await until(written);
  return Number(readFileSync(file, 'utf8'));
}

describe('a server that is told to stop (SIGTERM)', () => {
  it('lets steps finish, claims no more, gives the rest back uncharged and takes its database along', async () => {
    const folder = newDataDir();
    const marks = newDataDir({ mode: 0o700 });
    const TMPDIR = newDataDir({ mode: 0o700 });
    const settings = { DATA_DIR: folder, SHUTDOWN_GRACE: '1500ms', TMPDIR };
    const server = await startServer(settings);
    const id = await submit(server, twoSteps(marks));
    await pidFrom(join(marks, 'quick.1'));
    const command = await pidFrom(join(marks, 'long.1'));
    const postmaster = postmasterOf(folder) as number;
    expect([postmaster, command].filter(isRunning)).toHaveLength(2);
    const held = send(server.port, 'GET', `/v1/jobs/${id}?wait=60s`);

    const toldAt = Date.now();
    const exited = server.kill('SIGTERM');
    await until(async () => (await send(server.port, 'GET', '/readyz')).status === 503);
    // At once, so that a client can turn to another server while this one still waits for its steps.
    expect(await held).toMatchObject({ status: 200, json: { id, status: 'running' } });
    expect((await send(server.port, 'GET', '/livez')).status).toBe(200);
    const late = {
      name: 'late',
      uses: 'shell',
      with: { run: 'touch "$MARK"', env: { MARK: join(marks, 'late') } },
    };
    const answer = await send(server.port, 'POST', '/v1/jobs', { body: late });
    // Taken and kept for the next server, or refused; never run by this one.
    expect([202, 503]).toContain(answer.status);
    expect(await exited).toEqual({ code: 0, signal: null });
    expect(existsSync(join(marks, 'late'))).toBe(false);
    expect(Date.now() - toldAt).toBeLessThan(10_000);
    expect([postmaster, command].filter(isRunning)).toEqual([]);
    expect(readdirSync(TMPDIR)).toEqual([]);
    expect(server.logLines().filter(({ level }) => level !== 'info')).toEqual([]);

    const next = await startServer(settings);
    expect(await untilJob(next, id, isOver)).toMatchObject({ status: 'succeeded' });
    const quick = await getStep(next, id, 'quick');
    expect(quick).toMatchObject({ attempt: 1, failures: 0, losses: 0 });
    const long = await getStep(next, id, 'long');
    expect(long).toMatchObject({ attempt: 2, failures: 0, losses: 0 });
    expect(long.attempts.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
      'released',
      'succeeded',
    ]);
  });
});

describe('a server whose start is not over yet', () => {
  it('stops when told so and leaves no database behind', async () => {
    const folder = newDataDir();
    const { child, exited, stderr } = spawnServer({ DATA_DIR: folder });
    await until(() => postmasterOf(folder) !== undefined);
    child.kill('SIGTERM');
    expect(await exited).toEqual({ code: 0, signal: null });
    expect(stderr()).toBe('');
    expect(postmasterOf(folder)).toBeUndefined();
  });
});

describe('Ctrl-C', () => {
  it('ends the wait for running steps when it comes a second time', async () => {
    const marks = newDataDir({ mode: 0o700 });
    const server = await startServer({ DATABASE_URL: await sharedDatabase(), SHUTDOWN_GRACE: '60s' });
    await submit(server, twoSteps(marks));
    const command = await pidFrom(join(marks, 'long.1'));
    process.kill(server.pid, 'SIGINT');
    await until(() => server.log().includes('stopping (SIGINT)'));
    await server.kill('SIGINT');
    await until(() => !isRunning(command), 5_000);
  });
});
