import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Store } from '../../src/database/store.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { cancelJob } from '../../src/operations/cancel-job.ts';
import { cleanupJobs } from '../../src/operations/cleanup-jobs.ts';
import { deleteTerminalJobs, findExpiredJobs } from '../../src/repositories/delete-jobs.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import * as work from './work.ts';

let database: TestDatabase;
let store: Store;
beforeAll(async () => {
  database = await testDatabase();
  store = { db: database.db, wakeUps: createWakeUps() };
});
afterAll(() => database.close());

const options = { days: 7, statuses: null, dryRun: false, deadlineMs: 5000 };

async function endedJob(daysAgo: number): Promise<string> {
  const id = await work.submitGraph(store, work.loose(2));
  await cancelJob(store, id, null);
  await sql`update job set finished_at = finished_at - ${daysAgo} * interval '1 day' where id = ${id}`.execute(
    store.db,
  );
  return id;
}

it('deletes what ended long ago and leaves what did not', async () => {
  const old = await endedJob(8);
  const young = await endedJob(6);
  expect(await cleanupJobs(store, options)).toEqual({ deleted_count: 1, more: false });
  const left = await store.db.selectFrom('job').select('id').execute();
  expect(left.map((job) => job.id)).toEqual([young]);
  const steps = await store.db.selectFrom('step').select('name').where('job_id', '=', old).execute();
  expect(steps).toEqual([]);
});

it('leaves a job that was retried and ended anew between the look and the delete', async () => {
  const id = await endedJob(30);
  const what = { days: 7, statuses: null };
  const found = await findExpiredJobs(store.db, what, 10);
  expect(found).toEqual([id]);
  await sql`update job set finished_at = clock_timestamp() where id = ${id}`.execute(store.db);
  expect(await inTransaction(store.db, (tx) => deleteTerminalJobs(tx, found, what))).toBe(0);
  expect(await inTransaction(store.db, (tx) => deleteTerminalJobs(tx, found))).toBe(1);
});
