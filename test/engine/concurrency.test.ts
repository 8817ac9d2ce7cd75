import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { AppError } from '../../src/domain/errors.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import type { ClaimedStep } from '../../src/operations/advance-jobs.ts';
import { cancelJob } from '../../src/operations/cancel-job.ts';
import { pauseJob } from '../../src/operations/pause-job.ts';
import { resumeJob } from '../../src/operations/resume-job.ts';
import { retryJob } from '../../src/operations/retry-job.ts';
import { submitJob } from '../../src/operations/submit-job.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { brokenInvariants, readRows } from './invariants.ts';
import { definitionOf, type Random, randomPlan, seeded } from './random-jobs.ts';
import { startServer } from './servers.ts';
import * as work from './work.ts';

/** How long two servers get random work: a few seconds in the suite, a minute in `npm run proof`. */
const SECONDS = Number(process.env.SECONDS ?? 4);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

let database: TestDatabase;
let store: Store;

beforeAll(async () => {
  database = await testDatabase({ max: 60 });
  store = { db: database.db, wakeUps: createWakeUps() };
});

beforeEach(() => sql`truncate job, step, attempt, worker`.execute(store.db));

afterAll(() => database.close());

describe('many at once', () => {
  it('gives each of 2,000 steps to exactly one of 50 claimers, and leaves none', async () => {
    await Promise.all(Array.from({ length: 40 }, () => work.submitGraph(store, work.loose(50))));
    const taken: ClaimedStep[] = [];
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        while (taken.length < 2_000) taken.push(...(await work.claim(store, 20)));
      }),
    );
    expect(new Set(taken.map(({ job_id, ordinal }) => `${job_id}/${ordinal}`)).size).toBe(2_000);
    expect(taken).toHaveLength(2_000);
    expect(await work.countSteps(store.db)).toEqual({ running: 2_000 });
    expect(brokenInvariants(await readRows(store.db))).toEqual([]);
    expect(await work.deadlocks(store.db)).toBe(0);
  });

  it('makes one job of twelve submits with one idempotency key', async () => {
    const job = work.normal({ name: 'once', uses: 'value' });
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => submitJob(store, job, { idempotencyKey: 'key', requestHash: 'same' })),
    );
    expect(new Set(answers.map((answer) => answer.id)).size).toBe(1);
    expect(answers.filter((answer) => !answer.replayed)).toHaveLength(1);
    expect((await readRows(store.db)).jobs.size).toBe(1);
  });

  it('lets one of twelve different submits with one idempotency key win, and refuses the others', async () => {
    const answers = await Promise.allSettled(
      Array.from({ length: 12 }, (_, i) => {
        const job = work.normal({ name: `job-${i}`, uses: 'value' });
        return submitJob(store, job, { idempotencyKey: 'other key', requestHash: `body ${i}` });
      }),
    );
    const refused = answers.flatMap((answer) =>
      answer.status === 'rejected' ? [answer.reason as AppError] : [],
    );
    expect(refused.map((error) => error.code)).toEqual(Array(11).fill('idempotency_conflict'));
    expect((await readRows(store.db)).jobs.size).toBe(1);
  });
});

/** A random job whose steps run for real: quick, and unlucky now and then. */
function randomJob(random: Random): JsonObject {
  const definition = definitionOf({ ...randomPlan(random), scheduled: false }, random);
  const steps = (definition.steps as JsonObject[]).map((step) => {
    const retry = { max_attempts: 2, delay: 0 };
    const choice = random.below(10);
    if (choice < 5) return { ...step, retry, with: { n: random.below(10) } };
    if (choice === 5) return { ...step, retry, uses: 'wait', with: { for: 0 } };
    return { ...step, retry, uses: 'flaky', with: { ms: random.below(30), fails: 30 } };
  });
  return { ...definition, steps };
}

const VERBS = [
  (to: Store, id: string) => cancelJob(to, id, null),
  pauseJob,
  resumeJob,
  resumeJob,
  retryJob,
  retryJob,
];

async function steer(to: Store, random: Random, ids: string[]): Promise<void> {
  const id = ids.at(-1 - random.below(Math.min(50, ids.length)));
  if (id === undefined) return;
  try {
    await random.pick(VERBS)(to, id);
  } catch (error) {
    // Whether the verb was lawful depends on what the servers did meanwhile.
    if (!(error instanceof AppError)) throw error;
  }
}

describe('two servers on one database', () => {
  it(
    `end every job of ${SECONDS} s of random work, without a deadlock or an error (seed ${SEED})`,
    async () => {
      const servers = [await startServer(database.url), await startServer(database.url)] as const;
      const random = seeded(SEED);
      const ids: string[] = [];
      const end = performance.now() + SECONDS * 1000;
      const submitter = async () => {
        while (performance.now() < end) {
          const to = random.pick(servers).store;
          const { id } = await submitJob(to, work.normal(randomJob(random)), { requestHash: 'random' });
          ids.push(id);
          for (let times = random.below(3); times > 0; times -= 1) await steer(to, random, ids);
          // More open jobs than that would only wait in line.
          await work.until('the servers to keep up', async () => (await openJobs()) < 200, 60_000);
        }
      };
      const openJobs = async () => {
        const { rows } = await sql<{ count: number }>`
          select count(*)::int4 as count from job where finished_at is null`.execute(store.db);
        return rows[0]?.count ?? 0;
      };
      await Promise.all([submitter(), submitter(), submitter()]);
      await work.until(
        'every job to end',
        async () => {
          const { rows } = await sql<{ id: string }>`select id from job where status = 'paused'`.execute(
            store.db,
          );
          for (const { id } of rows) await resumeJob(servers[0].store, id).catch(() => undefined);
          return (await openJobs()) === 0;
        },
        60_000,
      );
      const rows = await readRows(store.db);
      expect(rows.jobs.size).toBe(ids.length);
      expect(brokenInvariants(rows)).toEqual([]);
      for (const server of servers) await server.stop();
      expect(servers.flatMap((server) => server.errors)).toEqual([]);
      expect(await work.deadlocks(store.db)).toBe(0);
      const steps = [...rows.steps.values()].reduce((sum, list) => sum + list.length, 0);
      console.log(`two servers, ${SECONDS} s: ${ids.length} jobs, ${steps} steps, seed ${SEED}`);
    },
    SECONDS * 1000 + 180_000,
  );
});
