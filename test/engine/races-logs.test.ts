import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import type { ClaimedStep } from '../../src/operations/advance-jobs.ts';
import { appendLog } from '../../src/operations/append-log.ts';
import { cancelJob } from '../../src/operations/cancel-job.ts';
import { deleteJob } from '../../src/operations/delete-job.ts';
import { insertLogChunk } from '../../src/repositories/step-logs.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import * as work from './work.ts';

let database: TestDatabase;
let store: Store;

beforeAll(async () => {
  database = await testDatabase();
  store = { db: database.db, wakeUps: createWakeUps() };
});

beforeEach(() => sql`truncate job, step, attempt, step_log`.execute(store.db));

afterAll(() => database.close());

async function storedLog(): Promise<string> {
  const { rows } = await sql<{ data: Buffer }>`select data from step_log order by start`.execute(store.db);
  return Buffer.concat(rows.map((row) => row.data)).toString();
}

describe('the log of an attempt', () => {
  it('leaves nothing behind when its job is deleted while a chunk is on its way', async () => {
    const id = await work.submitGraph(store, work.loose(1));
    const [claim] = (await work.claim(store, 1)) as [ClaimedStep];
    await cancelJob(store, id, null);
    let deletion: Promise<void> | undefined;
    await store.db.transaction().execute(async (tx) => {
      expect(await insertLogChunk(tx, claim, 0, Buffer.from('late'))).toBe(true);
      deletion = deleteJob(store, id);
      await work.until('the deletion to wait for the chunk', async () => (await work.waiters(store.db)) > 0);
    });
    await deletion;
    expect(await storedLog()).toBe('');
  });

  it('goes on after an answer that was lost: what is there already is not written twice', async () => {
    await work.submitGraph(store, work.loose(1));
    const [claim] = (await work.claim(store, 1)) as [ClaimedStep];
    const first = Buffer.from('a'.repeat(100_000));
    expect(await appendLog(store, claim, 0, first)).toBe(100_000);
    // The answer did not arrive; the same bytes come again, and then more.
    expect(await appendLog(store, claim, 0, first)).toBe(100_000);
    expect(await appendLog(store, claim, 100_000, Buffer.from('more'))).toBe(100_004);
    expect(await storedLog()).toBe(`${'a'.repeat(100_000)}more`);
  });
});
