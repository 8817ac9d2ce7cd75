import { sql } from 'kysely';
import { v4 as uuid } from 'uuid';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { holdServerLock } from '../../src/database/server-lock.ts';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { enterServer, findDeadServers, SERVER_LOCK_SPACE } from '../../src/operations/keep-server.ts';
import { findSilentServers } from '../../src/repositories/workers.ts';
import { type Liveness, startLiveness } from '../../src/scheduler/liveness.ts';
import type { Loop } from '../../src/scheduler/loop.ts';
import { startRescue } from '../../src/scheduler/rescue.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import * as work from './work.ts';

/** A server is dead when its lock is free and its row is silent: neither alone is enough, both together are. */

const SILENCE_MS = 2_000;
const log = createLogger({ level: 'silent', pretty: false });
let database: TestDatabase;
let store: Store;
const stops: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  database = await testDatabase();
  store = { db: database.db, wakeUps: createWakeUps() };
});

beforeEach(() => sql`truncate job, step, attempt, worker`.execute(store.db));

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

afterAll(() => database.close());

function entry(name: string) {
  return { id: uuid(), name, version: '0', uses: ['value'], queues: null, slots: 4 };
}

async function liveServer(name: string): Promise<{ id: string; liveness: Liveness }> {
  const own = entry(name);
  const liveness = await startLiveness({ store, connection: database.url, entry: own, log });
  stops.push(() => liveness.stop());
  return { id: own.id, liveness };
}

/** Another server, which has had its database for long enough to judge others. */
function startObserver(): { id: string; loop: Loop } {
  const id = uuid();
  const loop = startRescue({
    store,
    log,
    serverId: id,
    claimTtlMs: 60_000,
    trustedSince: () => Number.NEGATIVE_INFINITY,
  });
  stops.push(() => loop.stop());
  return { id, loop };
}

/** The session that holds a server's lock. */
async function lockHolder(id: string): Promise<number | undefined> {
  const { rows } = await sql<{ pid: number }>`
    select l.pid from pg_locks l join worker w on l.objid = w.lock_key::oid
    join pg_stat_activity a on a.pid = l.pid and a.datname = current_database()
    where l.locktype = 'advisory' and l.granted and l.classid = ${SERVER_LOCK_SPACE}::oid and w.id = ${id}`.execute(
    store.db,
  );
  return rows[0]?.pid;
}

async function runningStepOf(workerId: string): Promise<string> {
  const id = await work.submitGraph(store, { a: [] });
  expect(await work.claim(store, 1, workerId)).toHaveLength(1);
  return id;
}

describe('a server', () => {
  it('keeps its steps when its lock session is terminated while it lives, and takes the lock again', async () => {
    const { id } = await liveServer('alive');
    const job = await runningStepOf(id);
    const observer = startObserver();
    const before = await lockHolder(id);
    expect(before).toBeDefined();
    await sql`select pg_terminate_backend(${before})`.execute(store.db);
    let looks = 0;
    await work.until('the lock to be taken again', async () => {
      observer.loop.wake();
      expect(await findDeadServers(store, observer.id, SILENCE_MS)).toEqual([]);
      looks += 1;
      const now = await lockHolder(id);
      return now !== undefined && now !== before;
    });
    expect(looks).toBeGreaterThan(1);
    expect(await work.statusesOf(store.db, job)).toEqual(['running']);
  });

  it('that is silent and holds its lock is not given up', async () => {
    const own = entry('busy');
    const key = await enterServer(store, own);
    const lock = await holdServerLock({
      connection: database.url,
      space: SERVER_LOCK_SPACE,
      key,
      onError: () => {},
    });
    stops.push(() => lock.release());
    const job = await runningStepOf(own.id);
    await sql`update worker set last_seen_at = clock_timestamp() - interval '1 hour' where id = ${own.id}`.execute(
      store.db,
    );
    const observer = uuid();
    const isSilent = async () => (await findSilentServers(store.db, observer, SILENCE_MS)).length === 1;
    // Silence counts from the start of the database at the earliest.
    await work.until('the silence to be noticed', isSilent);
    expect(await findDeadServers(store, observer, SILENCE_MS)).toEqual([]);
    expect(await work.statusesOf(store.db, job)).toEqual(['running']);
    await lock.release();
    await work.until(
      'the lock to be free',
      async () => (await findDeadServers(store, observer, SILENCE_MS)).length === 1,
    );
  });

  it('that died has its steps rescued about 3 s later, long before their claims expire', async () => {
    const own = entry('doomed');
    const key = await enterServer(store, own);
    const lock = await holdServerLock({
      connection: database.url,
      space: SERVER_LOCK_SPACE,
      key,
      onError: () => {},
    });
    const job = await runningStepOf(own.id);
    startObserver();
    await sql`update worker set last_seen_at = clock_timestamp() where id = ${own.id}`.execute(store.db);
    await lock.release();
    const died = performance.now();
    await work.until('the rescue', async () => (await work.statusesOf(store.db, job))[0] === 'ready');
    const ms = performance.now() - died;
    expect(ms).toBeGreaterThan(SILENCE_MS - 100);
    expect(ms).toBeLessThan(4_500);
    const { rows } = await sql<{
      outcome: string;
    }>`select outcome from attempt where job_id = ${job}`.execute(store.db);
    expect(rows).toEqual([{ outcome: 'lost' }]);
    await work.until(
      'its entry to go',
      async () => (await findSilentServers(store.db, uuid(), 0)).length === 0,
    );
  });

  it('that has just lost its own database gives nobody up', async () => {
    const own = entry('doomed');
    await enterServer(store, own);
    const job = await runningStepOf(own.id);
    await sql`update worker set last_seen_at = clock_timestamp() - interval '1 hour' where id = ${own.id}`.execute(
      store.db,
    );
    await sql`update step set claim_expires_at = clock_timestamp() - interval '1 s'`.execute(store.db);
    await work.until(
      'the silence',
      async () => (await findSilentServers(store.db, uuid(), SILENCE_MS)).length === 1,
    );
    let passes = 0;
    let since = performance.now();
    const trustedSince = () => {
      passes += 1;
      return since;
    };
    const loop = startRescue({ store, log, serverId: uuid(), claimTtlMs: 60_000, trustedSince });
    stops.push(() => loop.stop());
    await work.until('some passes', () => {
      loop.wake();
      return passes > 5;
    });
    expect(await work.statusesOf(store.db, job)).toEqual(['running']);
    since = Number.NEGATIVE_INFINITY;
    await work.until('the rescue', async () => {
      loop.wake();
      return (await work.statusesOf(store.db, job))[0] === 'ready';
    });
  });
});
