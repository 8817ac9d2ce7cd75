import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { cleanupJobs } from '../../src/operations/cleanup-jobs.ts';
import { rescueExpired } from '../../src/operations/rescue-steps.ts';
import { settleSteps } from '../../src/operations/settle-steps.ts';
import { startScheduledJobs } from '../../src/operations/start-scheduled-jobs.ts';
import { timeOutJobs } from '../../src/operations/time-out-jobs.ts';
import { wakeSteps } from '../../src/operations/wake-steps.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import * as work from './work.ts';

const MANY = 100;
let database: TestDatabase;
let store: Store;

beforeAll(async () => {
  // One session: what it has read so far it can be asked for at once.
  database = await testDatabase({ max: 1 });
  store = { db: database.db, wakeUps: createWakeUps() };
  // Steps that run, steps that wait, jobs that have ended, and jobs that are scheduled: none of them due.
  for (let i = 0; i < MANY; i += 1) {
    await work.submitGraph(store, work.loose(3));
    await work.submitGraph(store, work.loose(1), { delay: 3600 });
  }
  const claims = await work.claim(store, 3 * MANY);
  const ends = [
    { kind: 'succeeded', output: null },
    { kind: 'released', delay_ms: 3_600_000 },
  ] as const;
  const ended = claims.filter(({ ordinal }) => ordinal > 0);
  await settleSteps(
    store,
    ended.map((claim) => work.outcome(claim, ends[claim.ordinal - 1] as (typeof ends)[number])),
    { mode: 'wait' },
  );
  for (let i = 0; i < MANY; i += 1) await work.submitGraph(store, work.loose(1), { priority: 1 });
  await settleSteps(store, (await work.claim(store, MANY)).map(work.succeeded), { mode: 'wait' });
  await sql`set enable_seqscan = off`.execute(store.db);
});

afterAll(() => database.close());

/** How many entries of an index are read by what is done. */
async function entriesRead(index: string, work: () => Promise<unknown>): Promise<number> {
  const count = async () => {
    await sql`select pg_stat_force_next_flush()`.execute(store.db);
    const { rows } = await sql<{ read: number }>`
      select idx_tup_read::int4 as read from pg_stat_user_indexes where indexrelname = ${index}`.execute(
      store.db,
    );
    return rows[0]?.read ?? Number.NaN;
  };
  const before = await count();
  await work();
  return (await count()) - before;
}

const LOOKS: [string, string, (store: Store) => Promise<unknown>][] = [
  ['jobs past their deadline', 'job_deadline', timeOutJobs],
  ['scheduled jobs that are due', 'job_scheduled', startScheduledJobs],
  ['waiting steps that are due', 'step_waiting', wakeSteps],
  ['claims that have expired', 'step_running', rescueExpired],
  [
    'jobs to clean up',
    'job_finished',
    (store) => cleanupJobs(store, { days: 1, statuses: null, dryRun: false, deadlineMs: 1000 }),
  ],
];

describe('a look for what is due', () => {
  for (const [what, index, look] of LOOKS) {
    it(`reads nothing of what is not due: ${what}`, async () => {
      expect(await entriesRead(index, () => look(store))).toBeLessThan(MANY / 10);
    });
  }
});
