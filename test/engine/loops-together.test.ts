import { sql } from 'kysely';
import { v4 as uuid } from 'uuid';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, createPool } from '../../src/database/connection.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import type { ClaimedStep } from '../../src/operations/advance-jobs.ts';
import { enterServer } from '../../src/operations/keep-server.ts';
import { rescueExpired } from '../../src/operations/rescue-steps.ts';
import { settleSteps } from '../../src/operations/settle-steps.ts';
import { submitJob } from '../../src/operations/submit-job.ts';
import { wakeSteps } from '../../src/operations/wake-steps.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { brokenInvariants, readRows } from './invariants.ts';
import { startServer } from './servers.ts';
import * as work from './work.ts';

/**
 * Every server runs every loop, without a leader. The same things that are due are given to one server and to three:
 * what was done about them, and how often a row was written, must not differ.
 */

const EACH = 12;
/** Of each of these, EACH jobs; nobody offers `nobodys`, so those steps stay where the loops bring them. */
const KINDS: Record<string, JsonObject> = {
  timer: { uses: 'wait', with: { for: '900ms' } },
  scheduled: { uses: 'nobodys', delay: '900ms' },
  deadline: { uses: 'nobodys', timeout: 1 },
  retry: { uses: 'nobodys', retry: { max_attempts: 2, delay: '900ms', jitter: false } },
  expired: { uses: 'nobodys' },
  orphaned: { uses: 'nobodys' },
  decided: {
    steps: [
      { name: 'a', uses: 'value' },
      { name: 'b', uses: 'nobodys', needs: ['a'], if: 'steps.a.output == null' },
    ],
  },
};
const TO_END = EACH * Object.keys(KINDS).length;

interface Done {
  /** By the kind of job, how its jobs are in the end: one line, when all are alike. */
  ends: Record<string, string[]>;
  updates: number;
  inserts: number;
  broken: string[];
  errors: string[];
}

let alone: Done;
let together: Done;
const databases: TestDatabase[] = [];

beforeAll(async () => {
  [alone, together] = await Promise.all([handle(1), handle(3)]);
}, 60_000);

afterAll(async () => {
  for (const database of databases) await database.close();
});

const fails = (claimed: ClaimedStep) =>
  work.outcome(claimed, { kind: 'failed', error: { code: 'no', message: 'no' }, retryable: true });

/** Makes everything due, and lets so many servers deal with it. */
async function handle(servers: number): Promise<Done> {
  const database = await testDatabase({ max: 1 });
  databases.push(database);
  await prepare(database.url);
  const started = await Promise.all(
    Array.from({ length: servers }, () => startServer(database.url, { ttlMs: 1_000 })),
  );
  try {
    await work.until('all to be dealt with', async () => (await dealtWith(database)) === TO_END);
    // One more round of every loop, in which nothing is left to be done.
    const looked = await looks(database);
    await work.until('another look of everybody', async () => (await looks(database)) > looked + 4 * servers);
  } finally {
    await Promise.all(started.map((server) => server.stop()));
  }
  // What a session has written is counted at the latest when it ends.
  await work.until('the sessions to end', async () => (await others(database)) === 0);
  return { ...(await readEnd(database)), errors: started.flatMap(({ errors }) => errors) };
}

async function prepare(url: string): Promise<void> {
  const db = createDatabase(createPool({ connection: url, max: 4, applicationName: 'holdfast test' }));
  const store = { db, wakeUps: createWakeUps() };
  const submit = async (kind: string) => {
    const job = work.normal({ name: kind, ...KINDS[kind] });
    return (await submitJob(store, job, { requestHash: kind })).id;
  };
  const claimAll = (workerId: string) => work.claim(store, EACH, workerId, 'nobodys');
  const times = <Result>(make: () => Promise<Result>) => Promise.all(Array.from({ length: EACH }, make));

  await times(() => submit('expired'));
  await claimAll(uuid());
  await sql`update step set claim_expires_at = clock_timestamp() + interval '500 ms' where status = 'running'`.execute(
    db,
  );
  // Entered, but without a lock and silent: dead.
  const dead = { id: uuid(), name: 'dead', version: '0', uses: ['nobodys'], queues: null, slots: 4 };
  await enterServer(store, dead);
  await times(() => submit('orphaned'));
  await claimAll(dead.id);
  await times(() => submit('retry'));
  await settleSteps(store, (await claimAll(uuid())).map(fails), { mode: 'wait' });
  for (const kind of ['timer', 'scheduled', 'deadline', 'decided']) await times(() => submit(kind));
  await db.destroy();
}

/** How many jobs are where the loops bring them. */
async function dealtWith({ db }: TestDatabase): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int4 as count from job j where exists (
      select from step s where s.job_id = j.id and s.uses <> 'value' and (
        (j.name in ('timer', 'deadline') and j.finished_at is not null)
        or (j.name in ('scheduled', 'decided') and s.status = 'ready')
        or (j.name in ('expired', 'orphaned', 'retry') and s.status = 'ready' and s.attempt = 1)))`.execute(
    db,
  );
  return rows[0]?.count ?? 0;
}

/** Signs of life written so far: every server writes one each half second. */
async function looks({ db }: TestDatabase): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select n_tup_upd::int4 as count from pg_stat_user_tables where relname = 'worker'`.execute(db);
  return rows[0]?.count ?? 0;
}

/** Sessions that are open besides our own. */
async function others({ db }: TestDatabase): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int4 as count from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()`.execute(
    db,
  );
  return rows[0]?.count ?? 0;
}

async function readEnd({ db }: TestDatabase): Promise<Omit<Done, 'errors'>> {
  const rows = await readRows(db);
  const ends: Done['ends'] = {};
  for (const job of rows.jobs.values()) {
    const steps = rows.steps.get(job.id) ?? [];
    const told = steps.map(
      ({ name, status, attempt, losses, failures }) =>
        `${name} ${status}, attempt ${attempt}, ${losses} losses, ${failures} failures`,
    );
    const behind = (rows.attempts.get(job.id) ?? []).map(({ attempt, outcome }) => `${attempt} ${outcome}`);
    const end = [`${job.status}, version ${job.version}`, ...told, ...behind].join('; ');
    const kind = String(job.name);
    ends[kind] = [...new Set([...(ends[kind] ?? []), end])].sort();
  }
  const { rows: written } = await sql<{ updates: number; inserts: number }>`
    select sum(n_tup_upd)::int4 as updates, sum(n_tup_ins)::int4 as inserts
    from pg_stat_user_tables where relname in ('job', 'step', 'attempt')`.execute(db);
  return { ends, broken: brokenInvariants(rows), updates: 0, inserts: 0, ...written[0] };
}

describe('the loops of three servers on one database', () => {
  it('apply each due timer, retry, schedule, deadline, condition, expiry and rescue once', () => {
    expect(together.ends).toEqual(alone.ends);
    expect(Object.values(together.ends).map((list) => list.length)).toEqual(Object.keys(KINDS).map(() => 1));
    expect(together.ends).toMatchObject({
      timer: ['succeeded, version 4; main succeeded, attempt 1, 0 losses, 0 failures'],
      expired: ['running, version 3; main ready, attempt 1, 1 losses, 0 failures; 1 lost'],
      orphaned: ['running, version 3; main ready, attempt 1, 1 losses, 0 failures; 1 lost'],
    });
    for (const { broken, errors } of [alone, together]) expect([broken, errors]).toEqual([[], []]);
  });

  it('write no row more than those of one server', () => {
    expect(alone.updates).toBeGreaterThan(TO_END);
    expect([together.updates, together.inserts]).toEqual([alone.updates, alone.inserts]);
  });

  it('find the same step at the same moment, and only one of eight looks moves it', async () => {
    const database = await testDatabase();
    databases.push(database);
    const { db } = database;
    const store = { db, wakeUps: createWakeUps() };
    const eight = (look: () => Promise<unknown>) => Promise.all(Array.from({ length: 8 }, look));
    const job = work.normal({ name: 'contended', ...KINDS.retry });
    for (let round = 0; round < 20; round += 1) {
      for (let i = 0; i < 3; i += 1) await submitJob(store, job, { requestHash: 'contended' });
      await work.claim(store, 3, uuid(), 'nobodys');
      await sql`update step set claim_expires_at = clock_timestamp() where status = 'running'`.execute(db);
      await eight(() => rescueExpired(store));
      const again = await work.claim(store, 3, uuid(), 'nobodys');
      expect(again.map(({ attempt }) => attempt)).toEqual([2, 2, 2]);
      await settleSteps(store, again.map(fails), { mode: 'wait' });
      await sql`update step set wake_at = clock_timestamp() where status = 'waiting'`.execute(db);
      await eight(() => wakeSteps(store));
      const last = await work.claim(store, 3, uuid(), 'nobodys');
      await settleSteps(store, last.map(work.succeeded), { mode: 'wait' });
    }
    const { ends, broken } = await readEnd(database);
    expect(broken).toEqual([]);
    const end = 'succeeded, version 8; main succeeded, attempt 3, 0 losses, 1 failures; 1 lost; 2 failed';
    expect(ends).toEqual({ contended: [end] });
  });
});
