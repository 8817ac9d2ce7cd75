import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPool } from '../../src/database/connection.ts';
import { createGate } from '../../src/database/gate.ts';
import { openStores } from '../../src/open-stores.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { until } from '../support/embedded.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase({ max: 3 });
});
afterAll(() => database.close());

const open = (patienceMs = 20_000) =>
  createGate(database.pool, 2, {
    workers: { most: 2, patienceMs: 20_000 },
    requests: { most: 1, patienceMs },
  });

it('leaves the rest of the pool to whoever asks the pool itself, and a part of the gate to the lane named first', async () => {
  const gate = open();
  const request = await gate.pool('requests').connect();
  const second = gate.pool('requests').connect();
  const worker = await gate.pool('workers').connect();
  expect(gate.waiting('requests')).toBe(1);
  expect((await database.pool.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
  worker.release();
  // Room in the gate is none in a lane that has what it may.
  expect(gate.waiting('requests')).toBe(1);
  request.release();
  (await second).release();
});

it('serves the lane named first first, and others in the order in which they came', async () => {
  const gate = open();
  const held = [await gate.pool('requests').connect(), await gate.pool('workers').connect()];
  const served: string[] = [];
  const ask = async (lane: 'workers' | 'requests', name: string) => {
    const client = await gate.pool(lane).connect();
    served.push(name);
    client.release();
  };
  const asked = [ask('requests', 'a request'), ask('requests', 'another'), ask('workers', 'a worker')];
  for (const client of held) client.release();
  await Promise.all(asked);
  expect(served).toEqual(['a worker', 'a request', 'another']);
});

it('refuses who has waited too long, and keeps nothing for him', async () => {
  const gate = open(50);
  const held = await gate.pool('requests').connect();
  await expect(gate.pool('requests').connect()).rejects.toMatchObject({ code: 'overloaded' });
  expect(gate.waiting('requests')).toBe(0);
  held.release();
  (await gate.pool('requests').connect()).release();
});

it('gives back the place of who could not be connected', async () => {
  const nobody = createPool({
    connection: 'postgres://127.0.0.1:1/none',
    max: 1,
    applicationName: 'holdfast test',
  });
  const gate = createGate(nobody, 1, { requests: { most: 1, patienceMs: 20_000 } });
  for (const _ of [1, 2]) await expect(gate.pool('requests').connect()).rejects.toThrow('ECONNREFUSED');
  await until(() => gate.waiting('requests') === 0);
});

it('serves requests, such as to cancel a job, however much workers have to say', async () => {
  const stops: (() => Promise<void>)[] = [];
  const server = { id: randomUUID(), kind: 'embedded', version: '' } as const;
  const log = createLogger({ level: 'silent', pretty: false });
  const { requests, workers } = await openStores(database.url, server, log, stops);
  const { promise, resolve } = Promise.withResolvers<void>();
  const talks = Array.from({ length: 50 }, () => workers.db.connection().execute(() => promise));
  expect((await sql`select 1 as n`.execute(requests.db)).rows).toEqual([{ n: 1 }]);
  resolve();
  await Promise.all(talks);
  for (const stop of stops) await stop();
});
