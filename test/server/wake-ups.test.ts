import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WAKE_UP_CHANNEL } from '../../src/database/wake-up-exchange.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { cancelJob } from '../../src/operations/cancel-job.ts';
import { session } from '../engine/work.ts';
import { send } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { until } from '../support/embedded.ts';
import { type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';
import { allSteps, submit } from './steps-that-count.ts';

/**
 * Two servers on one database, of which each takes the steps of its own queue. What they do for each other they could
 * learn by looking, once a second or twice: so late on average that half the look shows whether a hint was there.
 */

const POLL_MS = 1_000;
const WAIT_POLL_MS = 500;
let database: TestDatabase;
let a: ServerProcess;
let b: ServerProcess;

beforeAll(async () => {
  database = await testDatabase();
  const settings = { DATABASE_URL: database.url, LOG_LEVEL: 'debug' };
  [a, b] = await Promise.all([
    startServer({ ...settings, QUEUES: 'a' }),
    startServer({ ...settings, QUEUES: 'b' }),
  ]);
  await bothSpeak();
});

afterAll(async () => {
  await stopEverything();
  await database.close();
});

/** Each server finds the other within a second, and speaks from then on. */
async function bothSpeak(): Promise<void> {
  const ear = await session(database.url);
  const senders = new Set<string>();
  ear.on('notification', ({ payload = '{}' }) => senders.add(JSON.parse(payload).from));
  await ear.query(`listen ${WAKE_UP_CHANNEL}`);
  await until(async () => {
    for (const server of [a, b]) await submit(server, { name: 'said', uses: 'value', queue: 'a' });
    return senders.size === 2;
  });
  await ear.end();
}

/** Runs a chain whose steps the servers take in turn; how long each step was ready before it started. */
async function alternating(server: ServerProcess, length: number): Promise<number[]> {
  const steps = Array.from({ length }, (_, i) => ({
    name: `s${i}`,
    uses: 'value',
    queue: i % 2 === 0 ? 'a' : 'b',
    needs: i === 0 ? [] : [`s${i - 1}`],
  }));
  const id = await submit(server, { name: 'alternating', steps });
  await send(server.port, 'GET', `/v1/jobs/${id}?wait=30s`);
  const done = await allSteps(server, id);
  return done.map(({ ready_at, started_at }) => Date.parse(started_at) - Date.parse(ready_at));
}

function median(numbers: number[]): number {
  return numbers.toSorted((x, y) => x - y)[Math.floor(numbers.length / 2)] as number;
}

async function rounds(count: number, round: () => Promise<number>): Promise<number[]> {
  const numbers: number[] = [];
  for (let i = 0; i < count; i += 1) numbers.push(await round());
  return numbers;
}

/** A command that runs on `b` until it is told to end; resolves when the look that follows its claim is over. */
async function longCommand(): Promise<string> {
  const run = 'sleep 0.2; echo on; sleep 60';
  const id = await submit(a, { name: 'long', uses: 'shell', queue: 'b', with: { run } });
  await until(async () => (await send(b.port, 'GET', `/v1/jobs/${id}/log`)).text.includes('on'));
  return id;
}

/** Waits until `b` stops what it runs of a job. */
async function stopped(id: string, since: number): Promise<number> {
  await until(() => b.logLines().some(({ msg, job_id }) => /no longer valid/.test(msg) && job_id === id));
  return performance.now() - since;
}

describe('two servers on one database', () => {
  it('start what the other made ready long before they would have looked, in both directions', async () => {
    const times = [...(await alternating(a, 20)), ...(await alternating(b, 20))];
    expect(times).toHaveLength(40);
    expect(median(times)).toBeLessThan(POLL_MS / 3);
  });

  it('answer who waits at one for a job that the other runs', async () => {
    const late = await rounds(5, async () => {
      const id = await submit(a, { name: 'waited', uses: 'shell', queue: 'a', with: { run: 'sleep 0.1' } });
      const { json } = await send(b.port, 'GET', `/v1/jobs/${id}?wait=20s`);
      return Date.now() - Date.parse(json.finished_at);
    });
    expect(median(late)).toBeLessThan(WAIT_POLL_MS / 3);
  });

  it('stop a step soon after the other cancelled it, and within a second or so when no hint came', async () => {
    const late = await rounds(3, async () => {
      const id = await longCommand();
      const since = performance.now();
      await send(a.port, 'POST', `/v1/jobs/${id}/cancel`);
      return stopped(id, since);
    });
    expect(median(late)).toBeLessThan(POLL_MS / 3);

    // Cancelled by somebody who tells nobody.
    const silent = { db: database.db, wakeUps: createWakeUps() };
    const id = await longCommand();
    const since = performance.now();
    await cancelJob(silent, id, null);
    expect(await stopped(id, since)).toBeLessThan(2.5 * POLL_MS);
  });
});
