import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import type { StepOutcome } from '../../src/operations/step-outcome.ts';
import { createSettler } from '../../src/scheduler/settler.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import * as work from './work.ts';

const log = createLogger({ level: 'silent', pretty: false });
// As many connections as a server has for its work.
const CONNECTIONS = 10;
let database: TestDatabase;
let store: Store;

beforeAll(async () => {
  database = await testDatabase({ max: CONNECTIONS });
  store = { db: database.db, wakeUps: createWakeUps() };
});

beforeEach(() => sql`truncate job, step, attempt`.execute(store.db));

afterAll(() => database.close());

/** A settler that hands nothing off, and when each claim was settled. */
function startSettler() {
  const settledAt = new Map<string, number>();
  const settler = createSettler({
    store,
    log,
    offer: () => ({
      handOff: () => ({ take: () => null }),
      granted: () => [],
      end: () => undefined,
    }),
    onSettled: ({ claim_id }) => void settledAt.set(claim_id, performance.now()),
    onHandedOff: () => undefined,
  });
  return { settler, settledAt };
}

async function runningJobs(count: number): Promise<{ id: string; outcomes: StepOutcome[] }[]> {
  const jobs = [];
  while (jobs.length < count) jobs.push(await runningJob(1));
  return jobs;
}

async function runningJob(size: number): Promise<{ id: string; outcomes: StepOutcome[] }> {
  const id = await work.submitGraph(store, work.loose(size));
  const claims = await work.claim(store, size);
  return { id, outcomes: claims.map(work.succeeded) };
}

const soon = (what: string, condition: () => boolean) => work.until(what, condition, 1_000);

/** Whether a settle waits for a job. */
const somebodyWaits = async () => (await work.waiters(store.db)) > 0;

describe('writing outcomes', () => {
  it('starts at once for a job that is free while more outcomes of a stuck job lie in the buffer', async () => {
    const stuck = await runningJob(2);
    const free = await runningJob(1);
    const letGo = await work.holdJob(database.url, stuck.id);
    const { settler, settledAt } = startSettler();
    try {
      settler.push(stuck.outcomes[0] as StepOutcome);
      await work.until('somebody to wait for the stuck job', somebodyWaits);
      settler.push(stuck.outcomes[1] as StepOutcome);
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      settler.push(free.outcomes[0] as StepOutcome);
      await soon('the free job', () => settledAt.has(free.outcomes[0]?.claim_id as string));
    } finally {
      await letGo();
    }
    await settler.idle();
    expect(settledAt.size).toBe(3);
  });

  it('leaves connections for others however many jobs are stuck', async () => {
    const stuck = await runningJobs(2 * CONNECTIONS);
    const free = await runningJob(1);
    const holder = await work.session(database.url);
    await holder.query('begin');
    await holder.query('select 1 from job where id <> $1 for no key update', [free.id]);
    const { settler, settledAt } = startSettler();
    try {
      for (const { outcomes } of stuck) settler.push(outcomes[0] as StepOutcome);
      await work.until('somebody to wait for a stuck job', somebodyWaits);
      // Long enough that whoever is stuck has been found to be.
      const since = performance.now();
      await work.until('the stuck jobs to be known', () => performance.now() - since > 200);
      settler.push(free.outcomes[0] as StepOutcome);
      await soon('the free job', () => settledAt.has(free.outcomes[0]?.claim_id as string));
      expect(await work.waiters(store.db)).toBeLessThan(CONNECTIONS / 2);
    } finally {
      await holder.query('commit');
      await holder.end();
    }
    await settler.idle();
    expect(settledAt.size).toBe(2 * CONNECTIONS + 1);
  });

  it('settles the others of a batch in which one job cannot be written at all', async () => {
    const poisoned = await runningJob(1);
    const others = await runningJobs(5);
    await sql`create function refuse() returns trigger language plpgsql as
      $$ begin raise exception 'this job cannot be written'; end $$`.execute(store.db);
    await sql`create trigger refuse before update on job for each row when (old.id = ${sql.lit(poisoned.id)})
      execute function refuse()`.execute(store.db);
    const { settler, settledAt } = startSettler();
    try {
      for (const { outcomes } of [poisoned, ...others]) settler.push(outcomes[0] as StepOutcome);
      await work.until(
        'the others',
        () => others.every(({ outcomes }) => settledAt.has(outcomes[0]?.claim_id as string)),
        3_000,
      );
      expect(settledAt.has(poisoned.outcomes[0]?.claim_id as string)).toBe(false);
    } finally {
      await sql`drop trigger refuse on job`.execute(store.db);
      await sql`drop function refuse`.execute(store.db);
    }
    await settler.idle();
  });
});
