import { sql } from 'kysely';
import pg from 'pg';
import { v4 as uuid } from 'uuid';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  startWakeUpExchange,
  WAKE_UP_CHANNEL,
  type WakeUpExchange,
} from '../../src/database/wake-up-exchange.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { enterServer, removeServer } from '../../src/operations/keep-server.ts';
import { isAnotherServerAlive } from '../../src/repositories/live-servers.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { submitGraph } from '../engine/work.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { until } from '../support/embedded.ts';
import { startWireProxy } from '../support/wire-proxy.ts';

let database: TestDatabase;
const stops: (() => unknown)[] = [];

beforeAll(async () => {
  database = await testDatabase();
});

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

afterAll(() => database.close());

interface TestServer extends WakeUpExchange {
  id: string;
  /** What rang here, in words: `ready`, `due`, `any`, or the id of a job. */
  heard: string[];
  /** The messages of its log. */
  logged: string[];
}

async function server(
  options: { url?: string; heartbeatMs?: number; hasOthers?: (id: string) => Promise<boolean> } = {},
): Promise<TestServer> {
  const { url = database.url, heartbeatMs = 2_000, hasOthers = async () => true } = options;
  const id = uuid();
  const logged: string[] = [];
  const destination = { write: (line: string) => void logged.push(JSON.parse(line).msg) };
  const exchange = await startWakeUpExchange({
    connection: url,
    serverId: id,
    hasOthers: () => hasOthers(id),
    log: createLogger({ level: 'info', pretty: false, destination }),
    heartbeatMs,
  });
  stops.push(() => exchange.stop());
  const heard: string[] = [];
  exchange.wakeUps.onJobsChanged((ids) => heard.push(...ids));
  exchange.wakeUps.onAnyJobChanged(() => heard.push('any'));
  exchange.wakeUps.onStepsReady(() => heard.push('ready'));
  exchange.wakeUps.onSomethingDue(() => heard.push('due'));
  return { ...exchange, id, heard, logged };
}

/** Listens as a server would, and keeps each payload. */
async function startEar(): Promise<string[]> {
  const ear = new pg.Client(database.url);
  const payloads: string[] = [];
  ear.on('notification', ({ payload = '' }) => payloads.push(payload));
  ear.on('error', () => {});
  await ear.connect();
  await ear.query(`listen ${WAKE_UP_CHANNEL}`);
  stops.push(() => ear.end());
  return payloads;
}

const ids = (count: number) => Array.from({ length: count }, () => uuid());

async function crosses(from: TestServer, to: TestServer): Promise<void> {
  const [id = ''] = ids(1);
  from.wakeUps.jobsChanged([id]);
  await until(() => to.heard.includes(id), 5_000);
}

async function sessions(): Promise<number[]> {
  const { rows } = await sql<{ pid: number }>`
    select pid from pg_stat_activity
    where datname = current_database() and application_name = 'holdfast wake-ups'`.execute(database.db);
  return rows.map(({ pid }) => pid);
}

describe('hints', () => {
  it('cross in both directions, once, and are not taken back by the server that sent them', async () => {
    const [a, b] = [await server(), await server()];
    const [one, two] = ids(2) as [string, string];
    let forOne = 0;
    b.wakeUps.onJobChanged(one, () => {
      forOne += 1;
    });
    a.wakeUps.jobsChanged([one]);
    a.wakeUps.stepsReady();
    await until(() => b.heard.length === 2);
    b.wakeUps.jobsChanged([two]);
    b.wakeUps.somethingDue();
    await until(() => a.heard.length === 4);
    // What came after it came back would be here too.
    await crosses(b, a);
    await crosses(a, b);
    expect(forOne).toBe(1);
    expect(a.heard.slice(0, 5)).toEqual([one, 'ready', two, 'due', expect.any(String)]);
    expect(b.heard.slice(0, 4)).toEqual([one, 'ready', two, 'due']);
  });

  it('of a burst are merged into few notifications, and all arrive', async () => {
    const [a, b] = [await server(), await server()];
    const payloads = await startEar();
    const startedAt = performance.now();
    // Each commit gives two hints: a changed job, and steps that are ready.
    const store = { db: database.db, wakeUps: a.wakeUps };
    const all: string[] = [];
    await Promise.all(
      [1, 2, 3, 4].map(async () => {
        for (let i = 0; i < 50; i += 1) all.push(await submitGraph(store, { a: [] }));
      }),
    );
    const most = 2 + (performance.now() - startedAt) / 20;
    await until(() => all.every((id) => b.heard.includes(id)));
    expect(payloads.length).toBeGreaterThan(1);
    expect(payloads.length).toBeLessThanOrEqual(most);
    expect(payloads.length).toBeLessThan(all.length / 2);
    expect(b.heard).not.toContain('any');
  });

  it('of more jobs than a notification can name ring whoever waits for any', async () => {
    const [a, b] = [await server(), await server()];
    const named = ids(200);
    a.wakeUps.jobsChanged(named);
    await until(() => named.every((id) => b.heard.includes(id)));
    expect(b.heard).not.toContain('any');
    const many = ids(201);
    const rung: string[] = [];
    for (const id of many.slice(0, 3)) b.wakeUps.onJobChanged(id, () => rung.push(id));
    a.wakeUps.jobsChanged(many);
    await until(() => b.heard.includes('any'));
    expect(rung).toEqual(many.slice(0, 3));
    expect(b.heard).toHaveLength(201);
  });

  it('that nobody here can read ring everything', async () => {
    const b = await server();
    await crosses(await server(), b);
    b.heard.length = 0;
    await sql`select pg_notify(${WAKE_UP_CHANNEL}, ${'{"from": 7, "jobs"'})`.execute(database.db);
    await until(() => b.heard.length === 3);
    expect(b.heard.toSorted()).toEqual(['any', 'due', 'ready']);
  });
});

describe('a server alone on its database', () => {
  it('sends nothing, and speaks within a second once another lives', async () => {
    const store = { db: database.db, wakeUps: createWakeUps() };
    const entry = (id: string) => ({ id, name: 'test', version: '0', uses: [], queues: null, slots: 1 });
    const hasOthers = (id: string) => isAnotherServerAlive(database.db, id);
    const a = await server({ hasOthers });
    await enterServer(store, entry(a.id));
    const gone = uuid();
    await enterServer(store, entry(gone));
    await sql`update worker set last_seen_at = now() - interval '1 minute' where id = ${gone}`.execute(
      store.db,
    );
    const remote = uuid();
    await enterServer(store, entry(remote));
    await sql`update worker set kind = 'remote' where id = ${remote}`.execute(store.db);

    const payloads = await startEar();
    const speak = () => {
      a.wakeUps.jobsChanged(ids(1));
      a.wakeUps.stepsReady();
    };
    const since = performance.now();
    await until(() => {
      speak();
      return performance.now() - since > 700;
    });
    expect(payloads).toEqual([]);
    const b = await server({ hasOthers });
    await enterServer(store, entry(b.id));
    const entered = performance.now();
    await until(() => {
      speak();
      return payloads.length > 0;
    });
    expect(performance.now() - entered).toBeLessThan(1_000);
    for (const id of [a.id, b.id, gone, remote]) await removeServer(store, id);
  });
});

describe('the session that carries hints', () => {
  it('is replaced when it is terminated; what was missed meanwhile rings everything; one line says so', async () => {
    const [a, b] = [await server({ heartbeatMs: 100 }), await server({ heartbeatMs: 100 })];
    await crosses(a, b);
    const before = await sessions();
    b.heard.length = 0;
    await sql`select pg_terminate_backend(pid) from unnest(${before}::int[]) pid`.execute(database.db);
    await until(() => ['any', 'due', 'ready'].every((hint) => b.heard.includes(hint)));
    await crosses(a, b);
    await crosses(b, a);
    const after = await sessions();
    expect(after).toHaveLength(2);
    expect(after.filter((pid) => before.includes(pid))).toEqual([]);
    for (const { logged } of [a, b]) {
      await until(() => logged.length === 2);
      expect(logged).toEqual([
        'no hints from and to other servers; trying again',
        'hints from and to other servers are back',
      ]);
    }
  });

  it('is replaced when it falls silent without a word', async () => {
    const proxy = await startWireProxy(database.url);
    stops.push(() => proxy.close());
    const [a, b] = [await server(), await server({ url: proxy.url, heartbeatMs: 150 })];
    await crosses(a, b);
    proxy.freeze();
    b.heard.length = 0;
    // Neither side is told anything: only its own question tells it.
    await until(() => b.heard.includes('any'), 5_000);
    await crosses(a, b);
    await crosses(b, a);
    expect(b.logged.slice(0, 1)).toEqual(['no hints from and to other servers; trying again']);
  });

  it('comes back with the database, which it asks for ever, and brings what could not be sent; one line says so', async () => {
    const proxy = await startWireProxy(database.url);
    stops.push(() => proxy.close());
    const [a, b] = [await server({ url: proxy.url, heartbeatMs: 150 }), await server()];
    await crosses(a, b);
    proxy.cut();
    await until(() => a.logged.length > 0);
    const [kept = ''] = ids(1);
    a.wakeUps.jobsChanged([kept]);
    // Long enough for some refused attempts.
    const since = performance.now();
    await until(() => performance.now() - since > 500);
    expect(a.logged).toHaveLength(1);
    await proxy.mend();
    await until(() => b.heard.includes(kept));
    await crosses(b, a);
    await until(() => a.logged.length === 2);
  });

  it('says what is left when its server stops, and is closed then, also while the database does not answer', async () => {
    const proxy = await startWireProxy(database.url);
    stops.push(() => proxy.close());
    const [a, b] = [await server(), await server({ url: proxy.url, heartbeatMs: 300 })];
    await crosses(a, b);
    const [last = ''] = ids(1);
    a.wakeUps.jobsChanged([last]);
    await a.stop();
    await until(() => b.heard.includes(last));
    await until(async () => (await sessions()).length === 1);

    proxy.freeze();
    b.wakeUps.stepsReady();
    const stopping = performance.now();
    await b.stop();
    expect(performance.now() - stopping).toBeLessThan(2_000);
    const [inside = ''] = ids(1);
    b.wakeUps.jobsChanged([inside]);
    expect(b.heard.at(-1)).toBe(inside);
  });
});
