import { sql } from 'kysely';
import { v4 as uuid } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import type { ClaimedStep } from '../../src/operations/advance-jobs.ts';
import { changeWorker } from '../../src/operations/change-worker.ts';
import { claimSteps } from '../../src/operations/claim-steps.ts';
import { heartbeat } from '../../src/operations/heartbeat.ts';
import { lookUpClaims } from '../../src/operations/look-up-claims.ts';
import { pruneWorkers } from '../../src/operations/prune-workers.ts';
import { registerWorker } from '../../src/operations/register-worker.ts';
import { finishRemovals, removeWorker } from '../../src/operations/remove-worker.ts';
import { settleSteps } from '../../src/operations/settle-steps.ts';
import { startRescue } from '../../src/scheduler/rescue.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { brokenInvariants, readRows } from './invariants.ts';
import * as work from './work.ts';

let database: TestDatabase;
let store: Store;

beforeAll(async () => {
  database = await testDatabase();
  store = { db: database.db, wakeUps: createWakeUps() };
});

beforeEach(() => sql`truncate job, step, attempt, worker`.execute(store.db));

afterAll(() => database.close());

const register = () =>
  registerWorker(store, {
    ...{ name: 'test', version: '', uses: ['value'], queues: null, slots: 1, labels: {} },
  });

/** What a remote worker is granted; nothing when it is told otherwise. */
async function claim(workerId: string, max: number): Promise<ClaimedStep[]> {
  const uses = [{ uses: 'value', max }];
  const remote = { requestId: null };
  const [grants] = await claimSteps(store, [{ workerId, uses, queues: null, ttlMs: 60_000, remote }]);
  return typeof grants === 'object' ? grants.claims : [];
}

async function heldBy(workerId: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*)::int4 as count from step
    where status = 'running' and claimed_by = ${workerId}`.execute(store.db);
  return rows[0]?.count ?? 0;
}

const seen = (id: string, ago: string) =>
  sql`update worker set last_seen_at = clock_timestamp() - ${ago}::interval where id = ${id}`.execute(
    store.db,
  );

describe('a worker that is removed', () => {
  it('has all that it holds given back, uncharged, and its results refused', async () => {
    for (const count of [230, 20]) await work.submitGraph(store, work.loose(count));
    const [worker, other] = [await register(), await register()];
    const others = await claim(other, 5);
    const claims: ClaimedStep[] = [];
    while (claims.length < 240) claims.push(...(await claim(worker, 240 - claims.length)));

    expect(await removeWorker(store, worker)).toEqual({ released: 240, left: 0 });
    expect(await work.countSteps(store.db)).toEqual({ ready: 245, running: 5 });
    expect(await heldBy(other)).toBe(others.length);
    const { rows } = await sql`select distinct outcome, error->>'code' as code from attempt`.execute(
      store.db,
    );
    expect(rows).toEqual([{ outcome: 'released', code: 'worker_removed' }]);
    const { rows: charged } = await sql`select 1 from step where failures + losses > 0`.execute(store.db);
    expect(charged).toEqual([]);

    const [first] = claims as [ClaimedStep];
    const { results } = await settleSteps(store, [work.succeeded(first)], { mode: 'wait' });
    expect(results).toEqual(['claim_lost']);
    const ends = await lookUpClaims(store, [first]);
    expect(ends.get(first.claim_id)).toMatchObject({ kind: 'lost', reason: 'removed' });
    expect(await removeWorker(store, worker)).toEqual({ released: 0, left: 0 });
    expect(brokenInvariants(await readRows(store.db))).toEqual([]);
  }, 30_000);

  it('is granted nothing any more, and keeps nothing that was granted at that very moment', async () => {
    for (let job = 0; job < 60; job += 1) await work.submitGraph(store, work.loose(20));
    for (let round = 0; round < 5; round += 1) {
      const worker = await register();
      let stopped = false;
      let granted = 0;
      const ask = async () => {
        while (!stopped) {
          const { length } = await claim(worker, 3);
          granted += length;
        }
      };
      const asking = [ask(), ask(), ask()];
      await work.until('it to work', () => granted > 0);
      expect(await removeWorker(store, worker)).toMatchObject({ left: 0 });
      expect(await heldBy(worker)).toBe(0);
      expect(await claim(worker, 3)).toEqual([]);
      stopped = true;
      await Promise.all(asking);
      expect(await heldBy(worker)).toBe(0);
    }
    expect(await work.deadlocks(store.db)).toBe(0);
  }, 40_000);

  it('is granted nothing while it is being removed, and is removed only after what is being granted', async () => {
    await work.submitGraph(store, work.loose(2));
    const worker = await register();
    const other = await work.session(database.url);
    try {
      await other.query('begin');
      await other.query(`update worker set command = 'stop' where id = $1`, [worker]);
      expect(await claim(worker, 1)).toEqual([]);
      await other.query('rollback');
      expect(await claim(worker, 1)).toHaveLength(1);

      await other.query('begin');
      await other.query('select from worker where id = $1 for no key update', [worker]);
      const removed = removeWorker(store, worker);
      await work.until('it to wait', async () => (await work.waiters(store.db)) > 0);
      expect(await heldBy(worker)).toBe(1);
      await other.query('commit');
      expect(await removed).toEqual({ released: 1, left: 0 });
    } finally {
      await other.end();
    }
  });

  it('has its steps given back also from a job that somebody holds at that moment', async () => {
    const [stuck, free] = [
      await work.submitGraph(store, work.loose(3)),
      await work.submitGraph(store, work.loose(3)),
    ];
    const worker = await register();
    expect(await claim(worker, 6)).toHaveLength(6);
    const letGo = await work.holdJob(database.url, stuck);
    const removed = removeWorker(store, worker);
    await work.until('the free ones', async () =>
      (await work.statusesOf(store.db, free)).every((status) => status === 'ready'),
    );
    expect(await heldBy(worker)).toBe(3);
    await letGo();
    expect(await removed).toEqual({ released: 6, left: 0 });
    expect(await heldBy(worker)).toBe(0);
  });

  it('has the rest given back by any server when its removal was cut short', async () => {
    const id = await work.submitGraph(store, work.loose(4));
    const [stuck, crashed] = [await register(), await register()];
    await claim(stuck, 2);
    await claim(crashed, 2);
    const letGo = await work.holdJob(database.url, id);
    expect(await removeWorker(store, stuck, 30)).toEqual({ released: 0, left: 2 });
    await letGo();
    // The server that removed this one died before it gave anything back.
    await changeWorker(store, crashed, 'stop');
    const rescue = startRescue({
      store,
      log: createLogger({ level: 'silent', pretty: false }),
      serverId: uuid(),
      claimTtlMs: 60_000,
      trustedSince: () => performance.now(),
    });
    try {
      const all = Array(4).fill('ready').join();
      await work.until('all', async () => (await work.statusesOf(store.db, id)).join() === all);
    } finally {
      await rescue.stop();
    }
    expect(await finishRemovals(store)).toBe(0);
  });

  it('extends nothing by its heartbeats, which tell it to stop', async () => {
    const id = await work.submitGraph(store, work.loose(1));
    const worker = await register();
    const claims = await claim(worker, 1);
    expect(await heartbeat(store, worker, claims, 30_000)).toMatchObject({
      command: 'run',
      claims: [{ action: 'continue' }],
    });
    await changeWorker(store, worker, 'stop');
    await sql`update step set claim_expires_at = clock_timestamp() where job_id = ${id}`.execute(store.db);
    const told = await heartbeat(store, worker, [...claims, null], 30_000);
    const lost = { action: 'lost', expires_in_ms: 0 };
    expect(told).toEqual({ command: 'stop', claims: [lost, lost] });
    const { rows } = await sql`select 1 from step where claim_expires_at > clock_timestamp()`.execute(
      store.db,
    );
    expect(rows).toEqual([]);
  });
});

type Eight = [string, string, string, string, string, string, string, string];

describe('workers of which nobody has heard for long', () => {
  it('are forgotten after a day, removed ones after an hour, and none that holds a step or is spoken to', async () => {
    await work.submitGraph(store, work.loose(1));
    const old = await Promise.all(Array.from({ length: 8 }, register));
    const [silent, removed, drained, holding, spokenTo, recent, recentlyRemoved, server] = old as Eight;
    for (const id of old) await seen(id, '25 hours');
    await claim(holding, 1);
    await seen(holding, '25 hours');
    await seen(recent, '23 hours');
    for (const id of [removed, recentlyRemoved]) await changeWorker(store, id, 'stop');
    await changeWorker(store, drained, 'drain');
    await seen(removed, '61 minutes');
    await seen(recentlyRemoved, '59 minutes');
    await sql`update worker set kind = 'server' where id = ${server}`.execute(store.db);
    const speaking = await work.session(database.url);
    await speaking.query('begin');
    await speaking.query('select from worker where id = $1 for no key update', [spokenTo]);
    try {
      const pruned = await Promise.all([pruneWorkers(store), pruneWorkers(store), pruneWorkers(store)]);
      expect(pruned.reduce((sum, count) => sum + count)).toBe(3);
    } finally {
      await speaking.query('rollback');
      await speaking.end();
    }
    const left = await store.db.selectFrom('worker').select('id').execute();
    const gone = old.filter((id) => !left.some((worker) => worker.id === id));
    expect(gone.sort()).toEqual([silent, removed, drained].sort());
  });
});
