import { type KyselyPlugin, sql } from 'kysely';
import { v4 as uuid } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createRememberedJobs, type RememberedJobs } from '../../src/database/remembered-jobs.ts';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import type { ClaimedStep, HandOff } from '../../src/operations/advance-jobs.ts';
import { cancelJob } from '../../src/operations/cancel-job.ts';
import { claimSteps } from '../../src/operations/claim-steps.ts';
import { pauseJob } from '../../src/operations/pause-job.ts';
import { registerWorker } from '../../src/operations/register-worker.ts';
import { removeWorker } from '../../src/operations/remove-worker.ts';
import { settleSteps } from '../../src/operations/settle-steps.ts';
import { submitBatch } from '../../src/operations/submit-batch.ts';
import { submitJob } from '../../src/operations/submit-job.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { brokenInvariants, readRows } from './invariants.ts';
import * as work from './work.ts';

let database: TestDatabase;
/** A server with a memory, and another one on the same database that remembers nothing. */
let mine: Store;
let other: Store;
let memory: RememberedJobs;
let statements = 0;

const counting: KyselyPlugin = {
  transformQuery({ node }) {
    statements += 1;
    return node;
  },
  transformResult: async ({ result }) => result,
};

beforeAll(async () => {
  database = await testDatabase();
});
beforeEach(async () => {
  await sql`truncate job, step, attempt, worker`.execute(database.db);
  memory = createRememberedJobs(1_000);
  mine = { db: database.db.withPlugin(counting), wakeUps: createWakeUps(), remembered: memory };
  other = { db: database.db, wakeUps: createWakeUps() };
});
afterAll(() => database.close());

const CHAIN = { a: [], b: ['a'], c: ['b'] };
const ME = uuid();

/** Takes every promoted step, for me or for another worker. */
const taking = (claimed_by = ME, workers: string[] = []): (() => HandOff) => {
  return () => ({
    workers,
    take: (_step, _job, leaving) => (leaving.has(claimed_by) ? null : { claimed_by, ttl_ms: 60_000 }),
  });
};

const settle = (store: Store, claims: readonly ClaimedStep[], handOff?: () => HandOff) =>
  settleSteps(store, claims.map(work.succeeded), { mode: 'skip', handOff });

async function statementsOf(body: () => Promise<unknown>): Promise<number> {
  statements = 0;
  await body();
  return statements;
}

const statusOf = async (id: string) => {
  const { rows } = await sql<{ status: string; version: number }>`
    select status, version from job where id = ${id}`.execute(database.db);
  return rows[0];
};

const soundRows = async () => expect(brokenInvariants(await readRows(database.db))).toEqual([]);

describe('a job that this server remembers', () => {
  it('is settled, and its next step handed over with what it needs, in one statement', async () => {
    const id = await work.submitGraph(mine, CHAIN);
    let claims = await work.claim(mine, 1, ME);
    expect(claims[0]?.handout).toMatchObject({ step: 'a', with: null, attempt: 1, labels: {} });
    for (const next of ['b', 'c']) {
      const taken = statementsOf(async () => {
        const { results, claims: handed } = await settle(mine, claims, taking());
        expect(results).toEqual(['settled']);
        claims = handed;
      });
      expect(await taken).toBe(1);
      expect(claims[0]?.handout).toMatchObject({ job_id: id, step: next, uses: 'value' });
    }
    await settle(mine, claims);
    expect((await statusOf(id))?.status).toBe('succeeded');
    await soundRows();
  });

  it('is not written from memory once another server has changed it', async () => {
    const id = await work.submitGraph(mine, { ...CHAIN, loose: [] });
    const [a, loose] = await work.claim(mine, 2, ME);
    await settle(other, [loose as ClaimedStep]);
    const { results, claims } = await settle(mine, [a as ClaimedStep], taking());
    expect([results, claims.length]).toEqual([['settled'], 1]);
    await settle(mine, claims, taking());
    expect((await statusOf(id))?.version).toBe(5);
    await soundRows();
  });

  it('has nothing handed over from memory once another server has paused it', async () => {
    const id = await work.submitGraph(mine, CHAIN);
    const claims = await work.claim(mine, 1, ME);
    await pauseJob(other, id);
    const { results, claims: handed } = await settle(mine, claims, taking());
    expect([results, handed]).toEqual([['settled'], []]);
    expect(await statusOf(id)).toEqual({ status: 'paused', version: 4 });
    await soundRows();
  });

  it('takes no result of a claim that ended elsewhere', async () => {
    const id = await work.submitGraph(mine, CHAIN);
    const claims = await work.claim(mine, 1, ME);
    await cancelJob(other, id, null);
    const { results, claims: handed } = await settle(mine, claims, taking());
    expect([results, handed]).toEqual([['claim_lost'], []]);
    expect((await statusOf(id))?.status).toBe('cancelled');
    await soundRows();
  });

  it('is passed over while somebody holds it', async () => {
    const id = await work.submitGraph(mine, CHAIN);
    const claims = await work.claim(mine, 1, ME);
    const holder = await work.session(database.url);
    await holder.query('begin');
    await holder.query('select 1 from job where id = $1 for no key update', [id]);
    expect((await settle(mine, claims, taking())).results).toEqual(['busy']);
    await holder.query('rollback');
    await holder.end();
    expect((await settle(mine, claims, taking())).results).toEqual(['settled']);
    await soundRows();
  });

  it('is read anew after a failover, though its version may be the same', async () => {
    await work.submitGraph(mine, CHAIN);
    const claims = await work.claim(mine, 1, ME);
    const { job_id } = claims[0] as ClaimedStep;
    const known = memory.look(job_id);
    if (!known) throw new Error('the job is not remembered');
    // What a server that is no more had committed, and the one that follows it never heard of.
    memory.keep({ ...known, job: { ...known.job, steps_pending: 1, steps_succeeded: 1 } }, 'another run');
    expect((await settle(mine, claims, taking())).results).toEqual(['settled']);
    await soundRows();
  });

  it('has no step handed to a worker that was removed meanwhile', async () => {
    const registration = { name: 'one', version: '', uses: ['value'], queues: null, slots: 1, labels: {} };
    const worker = await registerWorker(other, registration);
    await work.submitGraph(mine, { ...CHAIN, aside: [] });
    const claims = await work.claim(mine, 1, ME);
    await removeWorker(other, worker);
    const { results, claims: handed } = await settle(mine, claims, taking(worker, [worker]));
    expect(results).toEqual(['settled']);
    const { rows } = await sql`select 1 from step where claimed_by = ${worker}`.execute(database.db);
    expect(rows).toEqual([]);
    expect(handed).toEqual([]);
    await soundRows();
  });

  it('has its clock from the database, however wrong the memory is', async () => {
    const id = await work.submitGraph(mine, CHAIN);
    const claims = await work.claim(mine, 1, ME);
    memory.sawClock(Date.now() - 3_600_000);
    const { claims: handed } = await settle(mine, claims, taking());
    const { rows } = await sql<{ name: string; late: number }>`
      select name, extract(epoch from clock_timestamp() - coalesce(finished_at, started_at))::float8 as late
      from step where job_id = ${id} and coalesce(finished_at, started_at) is not null order by ordinal`.execute(
      database.db,
    );
    expect(rows.map(({ name }) => name)).toEqual(['a', 'b']);
    for (const { late } of rows) expect(Math.abs(late)).toBeLessThan(60);
    const left = (handed[0]?.handout?.expires_at.getTime() ?? 0) - Date.now();
    expect(left).toBeGreaterThan(30_000);
    expect(left).toBeLessThan(90_000);
  });
});

describe('what a server remembers', () => {
  it('is bounded, and forgets what was untouched for longest', async () => {
    memory = createRememberedJobs(5);
    mine = { ...mine, remembered: memory };
    const [first, second] = [await work.submitGraph(mine, CHAIN), await work.submitGraph(mine, CHAIN)];
    expect([memory.look(first), memory.look(second)?.steps.size]).toEqual([undefined, 3]);
    const large = await work.submitGraph(mine, work.loose(6));
    expect(memory.look(large)).toBeUndefined();
    const claims = await work.claim(mine, 20, ME);
    expect(claims).toHaveLength(8);
    expect(new Set((await settle(mine, claims, taking())).results)).toEqual(new Set(['settled']));
    await soundRows();
  });

  it('is made again from what is read: of a small job the second settle needs one statement', async () => {
    await work.submitGraph(other, CHAIN);
    const claims = await work.claim(other, 1, ME);
    const { claims: next } = await settle(mine, claims, taking());
    expect(next).toHaveLength(1);
    expect(await statementsOf(() => settle(mine, next, taking()))).toBe(1);
    await soundRows();
  });
  it('lets a step that asks for failures run after fail_fast has cancelled those that were held before it', async () => {
    const job = work.normal({
      name: 'work',
      fail_fast: true,
      max_parallel: 1,
      steps: [
        { name: 'first', uses: 'value' },
        { name: 'held', uses: 'value' },
        { name: 'cleanup', uses: 'value', if: 'always()' },
      ],
    });
    const { id } = await submitJob(other, job, { requestHash: 'fast' });
    const [first] = await work.claim(other, 1, ME);
    await settleSteps(other, [work.failed(first as ClaimedStep)], { mode: 'skip' });
    const { rows } = await sql<{ name: string; status: string }>`
      select name, status from step where job_id = ${id} order by ordinal`.execute(database.db);
    expect(rows.map(({ status }) => status)).toEqual(['failed', 'cancelled', 'ready']);
    await soundRows();
  });

  it('is what was committed: a batch that is tried again is stored as of now', async () => {
    let inserts = 0;
    const failing: KyselyPlugin = {
      transformQuery({ node, ...rest }) {
        // The database ends the transaction once, between the two statements that the batch needs.
        if ('queryId' in rest && JSON.stringify(node).includes('insert into job') && ++inserts === 2)
          throw Object.assign(new Error('deadlock detected'), { code: '40P01' });
        return node;
      },
      transformResult: async ({ result }) => result,
    };
    const once = { ...mine, db: database.db.withPlugin(failing) };
    const steps = Array.from({ length: 2_500 }, (_, index) => ({ name: `s${index}`, uses: 'value' }));
    const job = work.normal({ name: 'large', steps });
    const { jobs } = await submitBatch(once, [job, job], { requestHash: 'batch' });
    expect([inserts, jobs.length]).toEqual([4, 2]);
    const { rows } = await sql<{ days: number }>`
      select extract(epoch from deadline_at - clock_timestamp())::float8 / 86400 as days from job`.execute(
      database.db,
    );
    for (const { days } of rows) expect(Math.round(days)).toBe(30);
  });

  it('is kept of jobs that were looked at and not taken', async () => {
    const [first, second] = [await work.submitGraph(mine, CHAIN), await work.submitGraph(mine, CHAIN)];
    await work.claim(mine, 1, ME);
    expect([memory.look(first)?.job.version, memory.look(second)?.job.version]).toEqual([2, 1]);
  });

  it('holds nothing large', async () => {
    const id = await work.submitGraph(mine, { a: [], b: [] });
    const [a] = await work.claim(mine, 1, ME);
    const error = { code: 'went_wrong', message: 'x'.repeat(5_000) };
    const failed = work.outcome(a as ClaimedStep, { kind: 'failed', error, retryable: false });
    await settleSteps(mine, [failed], { mode: 'skip' });
    expect(memory.look(id)).toBeUndefined();
    await soundRows();
  });
});

describe('claims of the own pool', () => {
  it('take a refusal for what it is, not for an empty queue', async () => {
    const id = await work.submitGraph(mine, { a: [], b: [], c: [] });
    await work.claim(other, 1);
    const uses = [{ uses: 'value', max: 10 }];
    const request = { workerId: ME, uses, queues: null, ttlMs: 60_000 };
    expect(await claimSteps(mine, [request])).toMatchObject([{ claims: [], more: true }]);
    expect(await claimSteps(mine, [request])).toMatchObject([{ claims: [{ job_id: id }, { job_id: id }] }]);
    await soundRows();
  });

  it('see what one queue has behind the crowds of others', async () => {
    const steps = (uses: string, queue: string) =>
      Array.from({ length: 5 }, (_, index) => ({ name: `${queue}${index}`, uses, queue }));
    for (const [uses, queue] of [
      ['value', 'one'],
      ['value', 'two'],
      ['wait', 'three'],
    ] as const) {
      const job = work.normal({
        name: 'crowd',
        steps: steps(uses, queue).map((step) => ({ ...step, with: uses === 'wait' ? { for: '1s' } : null })),
      });
      await submitJob(mine, job, { requestHash: queue });
    }
    const uses = [
      { uses: 'value', max: 5 },
      { uses: 'wait', max: 1 },
    ];
    let values = 5;
    const accept = ({ uses }: { uses: string }) => uses !== 'value' || --values >= 0;
    const request = { workerId: ME, uses, room: 6, queues: null, ttlMs: 60_000, accept };
    const [grants] = await claimSteps(mine, [request]);
    const taken = typeof grants === 'object' ? grants.claims.map((claim) => claim.uses).sort() : [];
    expect(taken).toEqual(['value', 'value', 'value', 'value', 'value', 'wait']);
    await soundRows();
  });
});
