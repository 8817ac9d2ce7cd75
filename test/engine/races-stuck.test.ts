import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { decideConditions } from '../../src/operations/decide-conditions.ts';
import { rescueExpired } from '../../src/operations/rescue-steps.ts';
import { settleSteps } from '../../src/operations/settle-steps.ts';
import { submitJob } from '../../src/operations/submit-job.ts';
import { wakeSteps } from '../../src/operations/wake-steps.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import * as work from './work.ts';

// More of one job than a look finds: as many as the limits below, and then some.
const MANY = 12;
const LIMIT = 10;

let database: TestDatabase;
let store: Store;

beforeAll(async () => {
  database = await testDatabase();
  store = { db: database.db, wakeUps: createWakeUps() };
});
beforeEach(() => sql`truncate job, step, attempt`.execute(store.db));
afterAll(() => database.close());

/** Runs `pass` while the first job is held by somebody else. */
async function whileHeld(job: string, pass: () => Promise<unknown>): Promise<void> {
  const letGo = await work.holdJob(database.url, job);
  try {
    await pass();
  } finally {
    await letGo();
  }
}

const statuses = async (id: string) => new Set(await work.statusesOf(store.db, id));

describe('a stuck job with more that is due than one look finds', () => {
  it('hides no decision of another job', async () => {
    const conditional = (count: number) => {
      const steps = Array.from({ length: count }, (_, index) => ({
        ...{ name: `c${index}`, uses: 'value', needs: ['first'], if: 'true' },
      }));
      return work.normal({ name: 'conditions', steps: [{ name: 'first', uses: 'value' }, ...steps] });
    };
    const { id: stuck } = await submitJob(store, conditional(MANY), { requestHash: 'a' });
    const { id: other } = await submitJob(store, conditional(1), { requestHash: 'b' });
    const claims = await work.claim(store, 2);
    await settleSteps(store, claims.map(work.succeeded), { mode: 'wait' });
    await whileHeld(stuck, () => decideConditions(store, LIMIT));
    expect(await work.statusesOf(store.db, other)).toEqual(['succeeded', 'ready']);
    expect(await statuses(stuck)).toEqual(new Set(['succeeded', 'pending']));
  });

  it('hides no timer and no expired claim of another job', async () => {
    const stuck = await work.submitGraph(store, work.loose(MANY));
    const other = await work.submitGraph(store, work.loose(1));
    const claims = await work.claim(store, MANY + 1);
    await sql`update step set claim_expires_at = clock_timestamp() - interval '1 minute'`.execute(store.db);
    await sql`update step set claim_expires_at = clock_timestamp() - interval '1 second'
      where job_id = ${other}`.execute(store.db);
    await whileHeld(stuck, () => rescueExpired(store, LIMIT));
    expect(await statuses(other)).toEqual(new Set(['ready']));
    expect(await statuses(stuck)).toEqual(new Set(['running']));

    const again = await work.claim(store, 1);
    const end = { kind: 'released', delay_ms: 60_000 } as const;
    const outcomes = [...claims.filter((claim) => claim.job_id === stuck), ...again];
    await settleSteps(
      store,
      outcomes.map((claim) => work.outcome(claim, end)),
      { mode: 'wait' },
    );
    await sql`update step set wake_at = clock_timestamp() - interval '1 minute'`.execute(store.db);
    await sql`update step set wake_at = clock_timestamp() - interval '1 second'
      where job_id = ${other}`.execute(store.db);
    await whileHeld(stuck, () => wakeSteps(store, LIMIT));
    expect(await statuses(other)).toEqual(new Set(['ready']));
    expect(await statuses(stuck)).toEqual(new Set(['waiting']));
  });
});
