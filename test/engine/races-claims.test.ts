import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import * as work from './work.ts';

let database: TestDatabase;
let store: Store;

beforeAll(async () => {
  database = await testDatabase();
  store = { db: database.db, wakeUps: createWakeUps() };
});

beforeEach(() => sql`truncate job, step, attempt`.execute(store.db));

afterAll(() => database.close());

describe('claiming', () => {
  it('takes what lies behind a stuck job with more ready steps than it asks for', async () => {
    const giant = await work.submitGraph(store, work.loose(300));
    const small = await work.submitGraph(store, work.loose(2));
    await sql`update step set turn = turn - interval '1 minute' where job_id = ${giant}`.execute(store.db);
    const letGo = await work.holdJob(database.url, giant);
    try {
      const claims = await work.claim(store, 8);
      expect(claims.map((claim) => claim.job_id)).toEqual([small, small]);
    } finally {
      await letGo();
    }
    const rest = await work.claim(store, 8);
    expect(rest.map((claim) => claim.job_id)).toEqual(Array(8).fill(giant));
  });
});
