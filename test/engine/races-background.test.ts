import { sql } from 'kysely';
import { v4 as uuid } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { settleSteps } from '../../src/operations/settle-steps.ts';
import { startRescue } from '../../src/scheduler/rescue.ts';
import { startWake } from '../../src/scheduler/wake.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import * as work from './work.ts';

const log = createLogger({ level: 'silent', pretty: false });
let database: TestDatabase;
let store: Store;

beforeAll(async () => {
  database = await testDatabase();
  store = { db: database.db, wakeUps: createWakeUps() };
  await sql`create table refused (id uuid)`.execute(store.db);
  await sql`create function refuse() returns trigger language plpgsql as $$ begin
    if exists (select from refused where id = old.id) then raise exception 'this job cannot be written'; end if;
    return new;
  end $$`.execute(store.db);
  await sql`create trigger refuse before update on job for each row execute function refuse()`.execute(
    store.db,
  );
});

beforeEach(() => sql`truncate job, step, attempt, refused`.execute(store.db));

afterAll(() => database.close());

const refuse = (id: string) => sql`insert into refused values (${id})`.execute(store.db);

async function runningJob(): Promise<string> {
  const id = await work.submitGraph(store, work.loose(1));
  await work.claim(store, 1);
  return id;
}

/** A job whose one step waits for another attempt, which is due. */
async function dueJob(): Promise<string> {
  const id = await work.submitGraph(store, work.loose(1));
  const claims = await work.claim(store, 1);
  const end = { kind: 'released', delay_ms: 60_000 } as const;
  await settleSteps(
    store,
    claims.map((claim) => work.outcome(claim, end)),
    { mode: 'wait' },
  );
  await sql`update step set wake_at = clock_timestamp() - interval '1 second' where job_id = ${id}`.execute(
    store.db,
  );
  return id;
}

const expire = () =>
  sql`update step set claim_expires_at = clock_timestamp() - interval '1 second' where status = 'running'`.execute(
    store.db,
  );

const isReady = (id: string) => async () => (await work.statusesOf(store.db, id)).join() === 'ready';

/** How many transactions the database ends while `ms` pass. */
async function transactionsIn(ms: number): Promise<number> {
  const count = async () => {
    await sql`select pg_stat_force_next_flush()`.execute(store.db);
    const { rows } = await sql<{ count: number }>`
      select (xact_commit + xact_rollback)::int4 as count
      from pg_stat_database where datname = current_database()`.execute(store.db);
    return rows[0]?.count ?? 0;
  };
  const [before, since] = [await count(), performance.now()];
  await work.until('time to pass', () => performance.now() - since > ms);
  return (await count()) - before;
}

describe('what happens by itself', () => {
  it('gives back expired claims of all jobs but the one that cannot be written', async () => {
    await refuse(await runningJob());
    const others = [await runningJob(), await runningJob(), await runningJob()];
    await expire();
    const loop = startRescue({
      store,
      log,
      serverId: uuid(),
      claimTtlMs: 0,
      trustedSince: () => Number.NEGATIVE_INFINITY,
    });
    try {
      for (const id of others) await work.until('the others', isReady(id), 5_000);
    } finally {
      await loop.stop();
    }
  });

  it('ends jobs past their deadline also while some claim cannot be given back', async () => {
    await refuse(await runningJob());
    await expire();
    const overdue = await work.submitGraph(store, work.loose(1));
    await sql`update job set deadline_at = clock_timestamp() where id = ${overdue}`.execute(store.db);
    const loop = startRescue({
      store,
      log,
      serverId: uuid(),
      claimTtlMs: 0,
      trustedSince: () => Number.NEGATIVE_INFINITY,
    });
    try {
      await work.until(
        'the end of the overdue job',
        async () => (await work.statusesOf(store.db, overdue)).join() === 'cancelled',
        5_000,
      );
    } finally {
      await loop.stop();
    }
  });

  it('wakes due steps of all jobs but the one that cannot be written', async () => {
    await refuse(await dueJob());
    const others = [await dueJob(), await dueJob(), await dueJob()];
    const loop = startWake(store, log);
    try {
      for (const id of others) await work.until('the others', isReady(id), 5_000);
    } finally {
      await loop.stop();
    }
  });

  it('does not spin while what is due belongs to a job that somebody holds', async () => {
    const id = await dueJob();
    const letGo = await work.holdJob(database.url, id);
    const loop = startWake(store, log);
    try {
      // Six statements a pass, and a pass every 20 ms.
      expect(await transactionsIn(500)).toBeLessThan(300);
    } finally {
      await letGo();
      await loop.stop();
    }
  });
});
