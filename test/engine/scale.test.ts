import { type Kysely, type KyselyPlugin, sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/database/store.ts';
import type { Tables } from '../../src/database/tables.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import type { ClaimedStep } from '../../src/operations/advance-jobs.ts';
import { cancelJob } from '../../src/operations/cancel-job.ts';
import { retryJob } from '../../src/operations/retry-job.ts';
import { settleSteps } from '../../src/operations/settle-steps.ts';
import { startScheduledJobs } from '../../src/operations/start-scheduled-jobs.ts';
import { submitJob } from '../../src/operations/submit-job.ts';
import { timeOutJobs } from '../../src/operations/time-out-jobs.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { brokenInvariants, readRows } from './invariants.ts';
import { startServer } from './servers.ts';
import * as work from './work.ts';

const SIZE = 10_000;
/** A chain has no two steps at once: its whole length is for the long form. */
const CHAIN = Number(process.env.CHAIN ?? 300);
const WIDTH = 100;

let database: TestDatabase;
let store: Store;

beforeAll(async () => {
  database = await testDatabase();
  store = { db: database.db, wakeUps: createWakeUps() };
});

beforeEach(() => sql`truncate job, step, attempt, worker`.execute(store.db));

afterAll(() => database.close());

type Needs = (step: number) => number[];

const SHAPES: [string, number, Needs][] = [
  ['wide', SIZE, () => []],
  ['chain', CHAIN, (step) => (step === 0 ? [] : [step - 1])],
  // Each layer of a hundred needs a few of the one above.
  [
    'layered',
    SIZE,
    (step) =>
      step < WIDTH
        ? []
        : [
            step - WIDTH,
            ...[(step * 7) % WIDTH, (step * 13) % WIDTH].map(
              (place) => Math.floor(step / WIDTH - 1) * WIDTH + place,
            ),
          ],
  ],
  ['one fan-in over all', SIZE, (step) => (step < SIZE - 1 ? [] : [...Array(SIZE - 1).keys()])],
];

function definition(size: number, needs: Needs): JsonObject {
  const steps = Array.from({ length: size }, (_, step) => ({
    name: `s${step}`,
    uses: 'value',
    with: 1,
    needs: [...new Set(needs(step))].map((need) => `s${need}`),
  }));
  return { name: 'large', steps };
}

async function submit(to: Store, size: number, needs: Needs): Promise<{ id: string; ms: number }> {
  const job = work.normal(definition(size, needs));
  const start = performance.now();
  const { id } = await submitJob(to, job, { requestHash: 'large' });
  return { id, ms: Math.round(performance.now() - start) };
}

/** A store that counts its statements. */
function counting(db: Kysely<Tables>): { store: Store; statements: () => number } {
  let count = 0;
  const plugin: KyselyPlugin = {
    transformQuery({ node }) {
      count += 1;
      return node;
    },
    transformResult: async ({ result }) => result,
  };
  return { store: { db: db.withPlugin(plugin), wakeUps: createWakeUps() }, statements: () => count };
}

async function jobStatus(id: string): Promise<string | undefined> {
  const row = await store.db.selectFrom('job').select('status').where('id', '=', id).executeTakeFirst();
  return row?.status;
}

describe('a large job', () => {
  it.each(SHAPES)(
    'that is %s runs to its end, every step once (%i steps)',
    async (shape, size, needs) => {
      const server = await startServer(database.url);
      try {
        const { id, ms } = await submit(server.store, size, needs);
        const start = performance.now();
        await work.until('its end', async () => (await jobStatus(id)) === 'succeeded', 120_000);
        const rate = Math.round((size / (performance.now() - start)) * 1000);
        console.log(`${shape}: ${size} steps, stored in ${ms} ms, then ${rate} steps/s`);
        const rows = await readRows(store.db);
        expect(brokenInvariants(rows)).toEqual([]);
        expect(new Set(rows.steps.get(id)?.map((step) => `${step.status} ${step.attempt}`))).toEqual(
          new Set(['succeeded 1']),
        );
        expect(rows.attempts.size).toBe(0);
      } finally {
        await server.stop();
      }
      expect(server.errors).toEqual([]);
    },
    180_000,
  );

  it('that is a chain whose first step fails ends by a handful of statements', async () => {
    const { id } = await submit(store, SIZE, (step) => (step === 0 ? [] : [step - 1]));
    const [first] = await work.claim(store, 1);
    const counted = counting(store.db);
    const start = performance.now();
    await settleSteps(counted.store, [work.failed(first as ClaimedStep)], { mode: 'wait' });
    console.log(
      `a chain of ${SIZE} failed in ${Math.round(performance.now() - start)} ms, ${counted.statements()} statements`,
    );
    expect(counted.statements()).toBeLessThanOrEqual(5);
    expect(await jobStatus(id)).toBe('failed');
    expect(await work.countSteps(store.db)).toEqual({ failed: 1, skipped: SIZE - 1 });
    expect(brokenInvariants(await readRows(store.db))).toEqual([]);
  });

  it('is skipped, cancelled and retried as a whole by a handful of statements each', async () => {
    const { id } = await submit(store, SIZE, (SHAPES[2] as (typeof SHAPES)[number])[2]);
    const times: string[] = [];
    const timed = async (what: string, most: number, act: (to: Store) => Promise<unknown>) => {
      const counted = counting(store.db);
      const start = performance.now();
      await act(counted.store);
      times.push(`${what} ${Math.round(performance.now() - start)} ms`);
      expect([what, counted.statements()]).toEqual([
        what,
        expect.toSatisfy((count: number) => count <= most),
      ]);
      expect(brokenInvariants(await readRows(store.db))).toEqual([]);
    };
    await timed('cancel', 3, (to) => cancelJob(to, id, null));
    await timed('retry', 3, (to) => retryJob(to, id));
    const claims = await work.claim(store, WIDTH);
    expect(claims).toHaveLength(WIDTH);
    await timed('fail a hundred', 5, (to) => settleSteps(to, claims.map(work.failed), { mode: 'wait' }));
    expect(await work.countSteps(store.db)).toEqual({ failed: WIDTH, skipped: SIZE - WIDTH });
    console.log(`a layered job of ${SIZE}: ${times.join(', ')}`);
  });
});

describe('giant jobs that are all due at once', () => {
  const DUE = [
    ['past their deadline', timeOutJobs, 'deadline_at', 'failed', {}],
    ['to be started', startScheduledJobs, 'run_at', 'queued', { delay: 3_600 }],
  ] as const;

  it.each(DUE)(
    '%s are taken one after the other, small ones many at once',
    async (_, take, column, status, more) => {
      for (const size of [5_000, 5_001, 5_000, 1, 1, 1]) {
        const job = work.normal({ ...definition(size, () => []), ...more });
        const { id } = await submitJob(store, job, { requestHash: 'due' });
        await sql`update job set ${sql.ref(column)} = now() - interval '1 hour' + ${sql.lit(size % 10)} * interval '1 s'
          where id = ${id}`.execute(store.db);
      }
      const statuses = async () =>
        (await store.db.selectFrom('job').select('status').execute()).map((job) => job.status);
      // Two giants that together are as large as one may be, and then the third with all that is small.
      expect([await take(store), await take(store), await take(store)]).toEqual([2, 4, 0]);
      expect(new Set(await statuses())).toEqual(new Set([status]));
      expect(brokenInvariants(await readRows(store.db))).toEqual([]);
    },
  );
});
