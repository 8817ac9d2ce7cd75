import { join } from 'node:path';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { addressOf, type DatabaseAddress } from '../../src/database/connection.ts';
import { testDatabase } from '../support/database.ts';
import { newDataDir, until } from '../support/embedded.ts';
import {
  databaseOf,
  postmasterOf,
  type ServerProcess,
  startServer,
  stopEverything,
} from '../support/server-process.ts';
import { allSteps, countingJob, executions, getStep, isOver, submit, untilJob } from './steps-that-count.ts';

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  await stopEverything();
  for (const close of closers.splice(0)) await close();
});

/** The steps that have succeeded by what the database holds; no server needs to live. */
async function succeededIn(database: DatabaseAddress): Promise<string[]> {
  const client = new pg.Client(addressOf(database));
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string }>(`select name from step where status = 'succeeded'`);
    return rows.map(({ name }) => name);
  } finally {
    await client.end();
  }
}

/** Checks a counting job that was cut off in its middle, had `before` succeeded by then, and has ended. */
async function expectResumed(
  server: ServerProcess,
  id: string,
  file: string,
  before: string[],
): Promise<void> {
  const job = await untilJob(server, id, isOver);
  expect(job).toMatchObject({ status: 'succeeded', progress: 1 });
  const steps = await allSteps(server, id);
  const ran = executions(file);
  expect(before.length).toBeGreaterThanOrEqual(job.steps.total / 4);
  expect(before.length).toBeLessThan(job.steps.total);
  for (const name of before) expect(ran.get(name), `executions of ${name}, which had succeeded`).toEqual([1]);
  for (const step of steps) {
    // The last attempt is the one that succeeded; an earlier one may have been cut off before its first command.
    expect(ran.get(step.name)?.at(-1), step.name).toBe(step.attempt);
    expect(ran.get(step.name)?.length, step.name).toBeLessThanOrEqual(step.attempt);
    expect(step).toMatchObject({ status: 'succeeded', failures: 0 });
  }
  const again = steps.filter((step) => step.attempt > 1);
  expect(again).not.toEqual([]);
  for (const { name } of again) {
    const { attempts } = await getStep(server, id, name);
    expect(attempts.map(({ outcome }: { outcome: string }) => outcome)).toEqual(['lost', 'succeeded']);
  }
}

/** Milliseconds from readiness to the start of the first step that the kill had cut off; below zero for before. */
async function firstResumedMs(server: ServerProcess, id: string): Promise<number> {
  const resumed = (await allSteps(server, id)).filter(({ attempt }) => attempt > 1);
  return Math.min(...resumed.map(({ started_at }) => Date.parse(started_at))) - server.readyAt;
}

describe('a server killed in the middle of a job of 200 steps and started again', () => {
  it('resumes at once on its own database and repeats no step that had succeeded', async () => {
    const folder = newDataDir();
    const file = join(newDataDir({ mode: 0o700 }), 'executions');
    const settings = { DATA_DIR: folder };
    const first = await startServer(settings);
    const id = await submit(first, countingJob(file));
    await untilJob(first, id, (job) => job.steps.succeeded >= 60);
    await first.kill();
    const before = await succeededIn(databaseOf(folder));
    const second = await startServer(settings);
    await expectResumed(second, id, file, before);
    const ms = await firstResumedMs(second, id);
    console.log(`restart, own database: first resumed step ${ms} ms after readiness`);
    expect(ms).toBeLessThan(2_000);
    // Whoever owns the data folder knows that its predecessor is dead, and does not wait for its silence.
    const messages = second.logLines().map(({ msg }) => msg.split(' ')[0]);
    expect(messages.indexOf('rescued')).toBeGreaterThanOrEqual(0);
    expect(messages.indexOf('rescued')).toBeLessThan(messages.indexOf('holdfast'));
  });

  it('does so too when its database was killed with it', async () => {
    const folder = newDataDir();
    const file = join(newDataDir({ mode: 0o700 }), 'executions');
    const first = await startServer({ DATA_DIR: folder });
    const postmaster = postmasterOf(folder) as number;
    const id = await submit(first, countingJob(file, { levels: 2, width: 30 }));
    await untilJob(first, id, (job) => job.steps.succeeded >= 20);
    process.kill(postmaster, 'SIGKILL');
    await first.kill();
    await until(() => postmasterOf(folder) === undefined);
    const atTheKill = executions(file);
    const second = await startServer({ DATA_DIR: folder });
    await untilJob(second, id, isOver);
    // Nobody could look in between: what was not running at the kill and needed no second attempt had succeeded.
    const steps = await allSteps(second, id);
    const before = steps
      .filter(({ name, attempt }) => attempt === 1 && atTheKill.has(name))
      .map(({ name }) => name);
    await expectResumed(second, id, file, before);
  });

  it('resumes within seconds on a shared database and repeats no step that had succeeded', async () => {
    const database = await testDatabase();
    closers.push(database.close);
    const file = join(newDataDir({ mode: 0o700 }), 'executions');
    const settings = { DATABASE_URL: database.url };
    const first = await startServer(settings);
    const id = await submit(first, countingJob(file));
    await untilJob(first, id, (job) => job.steps.succeeded >= 60);
    await first.kill();
    const before = await succeededIn(database.url);
    const second = await startServer(settings);
    await expectResumed(second, id, file, before);
    const ms = await firstResumedMs(second, id);
    console.log(`restart, shared database: first resumed step ${ms} ms after readiness`);
    expect(ms).toBeLessThan(5_000);
  });
});
