import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { v4 as uuid } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Action } from '../../src/actions/action.ts';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { SERVER_LOCK_SPACE } from '../../src/operations/keep-server.ts';
import { startDispatch } from '../../src/scheduler/dispatch.ts';
import { startLiveness } from '../../src/scheduler/liveness.ts';
import { runStep } from '../../src/scheduler/run-step.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import * as work from './work.ts';

const log = createLogger({ level: 'silent', pretty: false });
let database: TestDatabase;
let store: Store;

beforeAll(async () => {
  database = await testDatabase();
  store = { db: database.db, wakeUps: createWakeUps() };
});

beforeEach(() => sql`truncate job, step, attempt`.execute(store.db));

afterAll(() => database.close());

/** How many transactions the database ends while `ms` pass. */
async function transactionsIn(ms: number): Promise<number> {
  const count = async () => {
    await sql`select pg_stat_force_next_flush()`.execute(store.db);
    const { rows } = await sql<{ count: number }>`select (xact_commit + xact_rollback)::int4 as count
      from pg_stat_database where datname = current_database()`.execute(store.db);
    return rows[0]?.count ?? 0;
  };
  const [before, since] = [await count(), performance.now()];
  await work.until('time to pass', () => performance.now() - since > ms);
  return (await count()) - before;
}

/** An action that does not heed the word to stop; `end` lets it end. */
function deafAction(uses: string): { action: Action; end: () => void } {
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const run = async () => {
    await ended;
    return { kind: 'succeeded' as const, output: null };
  };
  return { action: { uses, with: {}, instant: false, run } as unknown as Action, end: () => end() };
}

describe('a running step', () => {
  it('is not told to stop before its timeout, however long that is', async () => {
    const { action, end } = deafAction('deaf');
    const controller = new AbortController();
    vi.useFakeTimers();
    try {
      const ended = runStep({
        handout: {
          ...{ job_id: randomUUID(), ordinal: 0, claim_id: randomUUID(), uses: 'deaf' },
          timeout_in_ms: 30 * 86_400_000,
          rendered: { ok: true, value: {} },
        } as never,
        catalogue: new Map([['deaf', action]]),
        controller,
        attemptLog: { write: () => undefined, close: async () => undefined },
        progress: () => undefined,
        log,
      });
      await vi.advanceTimersByTimeAsync(29 * 86_400_000);
      expect(controller.signal.aborted).toBe(false);
      await vi.advanceTimersByTimeAsync(2 * 86_400_000);
      expect(controller.signal.reason).toBe('timeout');
      end();
      await ended;
    } finally {
      vi.useRealTimers();
    }
  });

  it('is given back uncharged when the server stops, also when its action does not heed the word', async () => {
    const { action, end } = deafAction('value');
    const id = await work.submitGraph(store, work.loose(1));
    const settings = { workerId: uuid(), slots: 1, queues: null, claimTtlMs: 30_000 };
    const dispatch = startDispatch({
      store,
      vital: store,
      catalogue: new Map([['value', action]]),
      settings,
      log,
    });
    await work.until(
      'the step to run',
      async () => (await work.statusesOf(store.db, id)).join() === 'running',
    );
    await dispatch.stop(10);
    end();
    expect(await work.statusesOf(store.db, id)).toEqual(['ready']);
    const { rows } = await sql`select outcome from attempt where job_id = ${id}`.execute(store.db);
    expect(rows).toEqual([{ outcome: 'released' }]);
  }, 20_000);
});

describe('a server whose slots are all taken', () => {
  it('looks for steps that need no slot now and then, not again and again', async () => {
    const { action, end } = deafAction('value');
    const quick = { ...deafAction('flaky').action, instant: true };
    const id = await work.submitGraph(store, work.loose(2));
    const settings = { workerId: uuid(), slots: 1, queues: null, claimTtlMs: 30_000 };
    const catalogue = new Map([action, quick].map((each) => [each.uses, each]));
    const dispatch = startDispatch({ store, vital: store, catalogue, settings, log });
    try {
      const slotTaken = async () => (await work.statusesOf(store.db, id)).includes('running');
      await work.until('the slot to be taken', slotTaken);
      expect(await transactionsIn(500)).toBeLessThan(60);
    } finally {
      end();
      await dispatch.stop(10);
    }
  });
});

describe('a server that was taken for dead', () => {
  it('trusts what it sees of others no sooner than if it had just started', async () => {
    const entry = { id: uuid(), name: 'this', version: '0', uses: ['value'], queues: null, slots: 4 };
    const liveness = await startLiveness({ store, connection: database.url, entry, log });
    try {
      await sql`delete from worker where id = ${entry.id}`.execute(store.db);
      const deletedAt = performance.now();
      await work.until('it to enter again', async () => {
        const { rows } = await sql`select 1 from worker where id = ${entry.id}`.execute(store.db);
        return rows.length === 1;
      });
      expect(liveness.trustedSince()).toBeGreaterThan(deletedAt);
    } finally {
      await liveness.stop();
    }
  });

  it('goes on until it has its new lock, also when taking it fails at first', async () => {
    const entry = { id: uuid(), name: 'this', version: '0', uses: ['value'], queues: null, slots: 4 };
    const liveness = await startLiveness({ store, connection: database.url, entry, log });
    const holder = await work.session(database.url);
    try {
      const key = async () => {
        const { rows } = await sql<{
          lock_key: number;
        }>`select lock_key from worker where id = ${entry.id}`.execute(store.db);
        return rows[0]?.lock_key;
      };
      const first = (await key()) as number;
      // The key that it will get next is taken, so that its lock session fails.
      for (let next = first + 1; next <= first + 3; next += 1) {
        await holder.query('select pg_advisory_lock($1::int4, $2::int4)', [SERVER_LOCK_SPACE, next]);
      }
      await sql`delete from worker where id = ${entry.id}`.execute(store.db);
      await work.until('it to enter again', async () => (await key()) !== undefined);
      // Its statement waits for 5 s before it gives up.
      await work.until('it to have given up', async () => (await work.waiters(store.db)) > 0);
      await work.until('it to have given up', async () => (await work.waiters(store.db)) === 0, 10_000);
      await holder.query('select pg_advisory_unlock_all()');
      await work.until(
        'it to hold its lock',
        async () => {
          const { rows } = await sql<{ held: boolean }>`
            select exists (select from pg_locks l join worker w on l.objid = w.lock_key::oid
              where l.locktype = 'advisory' and l.granted and w.id = ${entry.id}) as held`.execute(store.db);
          return rows[0]?.held ?? false;
        },
        10_000,
      );
    } finally {
      await holder.end();
      await liveness.stop();
    }
  }, 40_000);
});
