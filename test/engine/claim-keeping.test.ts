import { sql } from 'kysely';
import { v4 as uuid } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDatabase, createPool } from '../../src/database/connection.ts';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import type { ClaimKey } from '../../src/domain/claim-id.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import type { AttemptEnd } from '../../src/domain/moves/end-attempt.ts';
import type { ClaimedStep } from '../../src/operations/advance-jobs.ts';
import { cancelJob } from '../../src/operations/cancel-job.ts';
import { deleteJob } from '../../src/operations/delete-job.ts';
import { extendListed } from '../../src/operations/extend-claims.ts';
import { lookUpClaims } from '../../src/operations/look-up-claims.ts';
import { registerWorker } from '../../src/operations/register-worker.ts';
import { rescueExpired } from '../../src/operations/rescue-steps.ts';
import { retryJob } from '../../src/operations/retry-job.ts';
import { settleSteps } from '../../src/operations/settle-steps.ts';
import { timeOutJobs } from '../../src/operations/time-out-jobs.ts';
import { wakeSteps } from '../../src/operations/wake-steps.ts';
import { gatherRemoteProgress, startRemoteProgress } from '../../src/scheduler/remote-progress.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import * as work from './work.ts';

let database: TestDatabase;
let store: Store;
let worker: string;

beforeAll(async () => {
  database = await testDatabase();
  store = { db: database.db, wakeUps: createWakeUps() };
});
beforeEach(async () => {
  await sql`truncate job, step, attempt, worker, step_log`.execute(store.db);
  const said = { name: 'test', version: '', uses: ['value'], queues: null, slots: 1, labels: {} };
  worker = await registerWorker(store, said);
});
afterAll(() => database.close());

/** Claims of the remote worker, granted for `ttlMs`. */
async function claim(max = 1, ttlMs = 60_000): Promise<ClaimedStep[]> {
  const claims = await work.claim(store, max, worker);
  expect(claims).toHaveLength(max);
  await sql`update step set claim_ttl_ms = ${ttlMs}::int4,
    claim_expires_at = clock_timestamp() + ${ttlMs} * interval '1 millisecond'
    where claim_id = any(${sql.val(claims.map(({ claim_id }) => claim_id))}::uuid[])`.execute(store.db);
  return claims;
}

/** The claim on the only step of a job that is retried once, an hour after it failed. */
async function claimed(more: JsonObject = {}): Promise<ClaimedStep> {
  const defaults = { timeout: '1h', retry: { max_attempts: 2, delay: '1h', jitter: false } };
  await work.submitGraph(store, { a: [] }, { defaults, ...more });
  return (await claim())[0] as ClaimedStep;
}

const once: JsonObject = { defaults: { retry: { max_attempts: 1, max_losses: 0 } } };
const settle = (key: ClaimedStep, end: AttemptEnd) =>
  settleSteps(store, [work.outcome(key, end)], { mode: 'wait' });
const fails = (code: string, retryable = true): AttemptEnd => ({
  ...{ kind: 'failed', error: { code, message: 'it went wrong' }, retryable },
});
const lookUp = async (key: ClaimKey) => (await lookUpClaims(store, [key])).get(key.claim_id);
const setStep = (change: ReturnType<typeof sql>) => sql`update step set ${change}`.execute(store.db);
const expire = () => setStep(sql`claim_expires_at = clock_timestamp() - interval '1 second'`);
const outlast = () => setStep(sql`started_at = started_at - interval '2 days', claim_expires_at = now()`);
const setDeadline = (at: ReturnType<typeof sql>) => sql`update job set deadline_at = ${at}`.execute(store.db);

const completed = { kind: 'ended', verb: 'complete', outcome: 'succeeded' };
const failed = { kind: 'ended', verb: 'fail', outcome: 'failed' };
const retrying = { kind: 'ended', verb: 'fail', outcome: 'retrying' };
const released = { kind: 'ended', verb: 'release', outcome: 'released' };
const lost = (reason: string) => ({ kind: 'lost', reason });

/** Lets whatever may still happen to a step happen: its delay is over, it is retried by hand, somebody else has it. */
async function goOn(): Promise<void> {
  const job = await store.db.selectFrom('job').select(['id', 'status']).executeTakeFirstOrThrow();
  if (job.status === 'succeeded') return;
  if (job.status === 'failed' || job.status === 'cancelled') {
    await sql`update job set timeout_ms = 3600000`.execute(store.db);
    await retryJob(store, job.id);
  }
  await sql`update step set wake_at = clock_timestamp() where status = 'waiting'`.execute(store.db);
  await wakeSteps(store);
  const { ready } = await work.countSteps(store.db);
  if (ready !== undefined) await claim(ready);
}

describe('the look-up of a claim', () => {
  it.each<[string, object, JsonObject, (key: ClaimedStep) => Promise<unknown>]>([
    ['succeeded', completed, {}, (key) => settle(key, { kind: 'succeeded', output: 7 })],
    [
      'waits on a timer',
      completed,
      {},
      (key) => settle(key, { kind: 'parked', for_ms: 70_000, output: null }),
    ],
    ['failed and is tried again', retrying, {}, (key) => settle(key, fails('x'))],
    ['failed for good', failed, {}, (key) => settle(key, fails('x', false))],
    ['failed as often as it may', failed, once, (key) => settle(key, fails('x'))],
    ['failed with a code like the timeout', failed, once, (key) => settle(key, fails('timeout'))],
    ['failed with a reason of ours as its code', failed, once, (key) => settle(key, fails('timed_out'))],
    ['failed with another of them', failed, once, (key) => settle(key, fails('claim_lost_limit'))],
    ['was given back', released, {}, (key) => settle(key, { kind: 'released', delay_ms: 70_000 })],
    ['took too long', lost('timed_out'), {}, () => outlast().then(() => rescueExpired(store))],
    ['took too long for good', lost('timed_out'), once, () => outlast().then(() => rescueExpired(store))],
    ['was lost', lost('expired'), {}, () => expire().then(() => rescueExpired(store))],
    ['was lost too often', lost('expired'), once, () => expire().then(() => rescueExpired(store))],
    ['was cancelled', lost('cancelled'), {}, (key) => cancelJob(store, key.job_id, null)],
    [
      ...(['ended with the time of its job', lost('cancelled'), {}] as const),
      () => setDeadline(sql`clock_timestamp()`).then(() => timeOutJobs(store)),
    ],
  ])('gives the first answer however late it comes: the step %s', async (_, end, more, act) => {
    const key = await claimed(more);
    expect(await lookUp(key)).toEqual({ kind: 'running' });
    await act(key);
    expect(await lookUp(key)).toMatchObject(end);
    await goOn();
    const { retry_in_ms, ...later } = (await lookUp(key)) as { retry_in_ms?: number };
    expect(later).toMatchObject(end);
    expect(retry_in_ms).toBeUndefined();
    // And once more, when that attempt has ended too.
    const now = await store.db.selectFrom('step').select('claim_id').executeTakeFirstOrThrow();
    if (now.claim_id !== key.claim_id)
      await settle({ ...key, claim_id: now.claim_id as string }, fails('y', false));
    await goOn();
    expect(await lookUp(key)).toMatchObject(end);
  });

  it('says how long a retry or a release has to wait, and why a step was cancelled', async () => {
    const key = await claimed();
    await settle(key, fails('x'));
    const { retry_in_ms = 0 } = (await lookUp(key)) as { retry_in_ms?: number };
    expect(retry_in_ms).toBeGreaterThan(3_590_000);
    expect(retry_in_ms).toBeLessThanOrEqual(3_600_000);

    const id = await work.submitGraph(store, { a: [], b: [] }, { fail_fast: true });
    const [one, two] = (await claim(2)) as [ClaimedStep, ClaimedStep];
    await settle(one, fails('x', false));
    expect(await lookUp(two)).toMatchObject({
      ...lost('cancelled'),
      detail: expect.stringContaining('fail_fast'),
    });
    await deleteJob(store, id);
    expect(await lookUp(two)).toEqual({ kind: 'unknown' });
  });

  it('tells many at once, each by its own id, and knows nothing of claims that never were', async () => {
    await work.submitGraph(store, work.loose(300));
    const keys = await claim(300);
    await settleSteps(store, keys.slice(0, 100).map(work.succeeded), { mode: 'wait' });
    const [first] = keys as [ClaimedStep];
    const strangers = [
      { ...first, claim_id: uuid() },
      { ...first, job_id: uuid(), claim_id: uuid() },
      { ...first, ordinal: 2 ** 31 - 1, claim_id: uuid() },
    ];
    const ends = await lookUpClaims(store, [...keys, ...strangers]);
    const kinds = [...keys, ...strangers].map(({ claim_id }) => ends.get(claim_id)?.kind);
    expect(kinds).toEqual([
      ...Array(100).fill('ended'),
      ...Array(200).fill('running'),
      ...Array(3).fill('unknown'),
    ]);
    // The right id in the wrong place is another claim.
    expect(await lookUp({ ...first, ordinal: 299 })).toEqual({ kind: 'unknown' });
    expect(await lookUpClaims(store, [])).toEqual(new Map());
  });
});

const extend = (keys: readonly (ClaimKey | null)[], ttlMs: number | null = null) =>
  extendListed(
    store,
    keys.map((key) => ({ key, ttlMs })),
    20_000,
  );
const expiresIn = async (key: ClaimKey) => {
  const { rows } = await sql<{ ms: number }>`
    select (extract(epoch from claim_expires_at - clock_timestamp()) * 1000)::float8 as ms
    from step where claim_id = ${key.claim_id}`.execute(store.db);
  return (rows[0] as { ms: number }).ms;
};

describe('an extend', () => {
  it('is absolute, not additive, and may bring the end nearer', async () => {
    const key = await claimed();
    for (const ttlMs of [90_000, 90_000, 5_000, 70_000]) {
      const [told] = await extend([key], ttlMs);
      expect(told).toMatchObject({ action: 'continue', end: { kind: 'running' } });
      expect(told?.expires_in_ms).toBeGreaterThan(ttlMs - 3_000);
      expect(told?.expires_in_ms).toBeLessThanOrEqual(ttlMs);
      expect(Math.abs((await expiresIn(key)) - ttlMs)).toBeLessThan(3_000);
    }
  });

  it('without a ttl lasts as long as the claim was granted for, else as long as the server grants', async () => {
    const key = await claimed();
    expect((await extend([key]))[0]?.expires_in_ms).toBeGreaterThan(57_000);
    await setStep(sql`claim_ttl_ms = null`);
    const [told] = await extend([key]);
    expect(told?.expires_in_ms).toBeGreaterThan(17_000);
    expect(told?.expires_in_ms).toBeLessThanOrEqual(20_000);
  });

  it('never passes the deadline of the attempt or of the job', async () => {
    const key = await claimed({ defaults: { timeout: '10s' } });
    expect((await extend([key], 60_000))[0]?.expires_in_ms).toBeLessThanOrEqual(10_000);
    await setDeadline(sql`clock_timestamp() + interval '5 seconds'`);
    expect((await extend([key], 60_000))[0]?.expires_in_ms).toBeLessThanOrEqual(5_000);
  });

  it('keeps only the listed claims, each by its own ttl, the last where one stands twice', async () => {
    await work.submitGraph(store, work.loose(4));
    const [a, b, c, d] = (await claim(4, 30_000)) as [ClaimedStep, ClaimedStep, ClaimedStep, ClaimedStep];
    const told = await extendListed(
      store,
      [
        { key: c, ttlMs: 90_000 },
        { key: null, ttlMs: null },
        { key: a, ttlMs: null },
        { key: b, ttlMs: 70_000 },
        { key: b, ttlMs: 50_000 },
      ],
      20_000,
    );
    expect(told.map(({ action }) => action)).toEqual([
      'continue',
      'lost',
      'continue',
      'continue',
      'continue',
    ]);
    const inSeconds = (ms: number) => Math.ceil(ms / 5_000) * 5;
    expect(told.map(({ expires_in_ms }) => inSeconds(expires_in_ms))).toEqual([90, 0, 30, 50, 50]);
    expect(await Promise.all([a, b, c, d].map(async (key) => inSeconds(await expiresIn(key))))).toEqual([
      ...[30, 50, 90, 30],
    ]);
  });

  it('still keeps an expired claim that nobody rescued yet', async () => {
    const key = await claimed();
    await expire();
    expect(await extend([key], 60_000)).toMatchObject([{ action: 'continue' }]);
    await rescueExpired(store);
    expect(await lookUp(key)).toEqual({ kind: 'running' });
  });

  it('moves neither the version of the job nor anything else but the expiry', async () => {
    const key = await claimed();
    const rows = async () => [
      await store.db.selectFrom('job').selectAll().execute(),
      (await store.db.selectFrom('step').selectAll().execute()).map(
        ({ claim_expires_at: _, ...rest }) => rest,
      ),
    ];
    const before = await rows();
    await extend([key], 7_000);
    expect(await rows()).toEqual(before);
  });

  it('tells of a cancelled job at once, and of everything else that the claim is lost', async () => {
    const key = await claimed();
    await cancelJob(store, key.job_id, null);
    const none = { expires_in_ms: 0 };
    expect(await extend([key])).toMatchObject([{ action: 'cancel', ...none, end: lost('cancelled') }]);
    await goOn();
    expect(await extend([key])).toMatchObject([{ action: 'cancel', ...none }]);
    const other = await claimed();
    await settle(other, { kind: 'released' });
    const stranger = { ...other, claim_id: uuid() };
    expect(await extend([other, stranger])).toMatchObject([
      { action: 'lost', ...none, end: released },
      { action: 'lost', ...none, end: { kind: 'unknown' } },
    ]);
    expect(await extend([])).toEqual([]);
  });

  it('never waits for a locked job, nor for a locked step', async () => {
    const key = await claimed();
    const release = await work.holdJob(database.url, key.job_id);
    const [told] = await extend([key], 90_000);
    expect(told?.expires_in_ms).toBeGreaterThan(80_000);
    await release();
    const holder = await work.session(database.url);
    await holder.query('begin; select 1 from step for update');
    const started = performance.now();
    // Whoever has it may be settling it: `continue` until that is known, as it was.
    const [busy] = await extend([key], 5_000);
    expect(busy?.action).toBe('continue');
    expect(busy?.expires_in_ms).toBeGreaterThan(80_000);
    expect(performance.now() - started).toBeLessThan(1_000);
    await holder.query('commit');
    await holder.end();
  });

  it('notes that the worker was heard of, at most every few seconds', async () => {
    const key = await claimed();
    const seen = async () =>
      (await store.db.selectFrom('worker').select('last_seen_at').executeTakeFirstOrThrow()).last_seen_at;
    const fresh = await seen();
    await extend([key]);
    expect(await seen()).toEqual(fresh);
    await sql`update worker set last_seen_at = last_seen_at - interval '20 seconds'`.execute(store.db);
    await extend([key]);
    expect((await seen()).getTime()).toBeGreaterThanOrEqual(fresh.getTime());
  });

  it('looks steps up by their keys, also where the statistics say that none runs', async () => {
    // One session: what it has read so far it can be asked for at once.
    const pool = createPool({ connection: database.url, max: 1, applicationName: 'holdfast test' });
    const one: Store = { ...store, db: createDatabase(pool) };
    await work.submitGraph(store, work.loose(200));
    await sql`analyze step`.execute(one.db);
    await sql`set enable_seqscan = off`.execute(one.db);
    const keys = await claim(200);
    const read = async () => {
      await sql`select pg_stat_force_next_flush()`.execute(one.db);
      const { rows } = await sql<{ read: number }>`select idx_tup_read::int4 as read from pg_stat_user_indexes
        where indexrelname = 'step_running'`.execute(one.db);
      return rows[0]?.read;
    };
    const before = await read();
    for (const { action } of await extendListed(
      one,
      keys.map((key) => ({ key, ttlMs: null })),
      20_000,
    ))
      expect(action).toBe('continue');
    await lookUpClaims(one, keys);
    expect(await read()).toBe(before);
    await one.db.destroy();
  });
});

describe('what remote workers report of their progress', () => {
  const progress = async () => {
    const rows = await store.db.selectFrom('step').select('progress').orderBy('ordinal').execute();
    return rows.map((row) => row.progress);
  };
  const version = async () =>
    (await store.db.selectFrom('job').select('version').executeTakeFirstOrThrow()).version;

  it('is written with the latest of each claim, and moves the version once', async () => {
    await work.submitGraph(store, work.loose(3));
    const [a, b, c] = (await claim(3)) as [ClaimedStep, ClaimedStep, ClaimedStep];
    const gathered = gatherRemoteProgress();
    const before = await version();
    for (let i = 1; i <= 10; i += 1) for (const key of [a, b]) gathered.report({ ...key, progress: i / 20 });
    gathered.report({ ...c, claim_id: uuid(), progress: 1 });
    gathered.report({ ...c, job_id: uuid(), claim_id: uuid(), progress: 1 });
    expect(await version()).toBe(before);
    await gathered.write(store);
    expect([await progress(), await version()]).toEqual([[0.5, 0.5, null], before + 1]);
    await gathered.write(store);
    expect(await version()).toBe(before + 1);
  });

  it('is kept while somebody holds the job, and the newest of it is written then', async () => {
    const key = await claimed();
    const gathered = gatherRemoteProgress();
    const release = await work.holdJob(database.url, key.job_id);
    gathered.report({ ...key, progress: 0.1 });
    await gathered.write(store);
    gathered.report({ ...key, progress: 0.2 });
    await gathered.write(store);
    await release();
    expect(await progress()).toEqual([null]);
    await gathered.write(store);
    expect(await progress()).toEqual([0.2]);
  });

  it('comes at most about once a second a step, however often it is told', async () => {
    const key = await claimed();
    const gathered = gatherRemoteProgress();
    const loop = startRemoteProgress(store, createLogger({ level: 'silent', pretty: false }), gathered);
    const before = await version();
    const started = performance.now();
    let told = 0;
    await work.until('two reports to be written', async () => {
      told += 1;
      gathered.report({ ...key, progress: Math.min(0.9, told / 10_000) });
      return (await version()) >= before + 2;
    });
    expect(performance.now() - started).toBeGreaterThan(850);
    expect(told).toBeGreaterThan(10);
    await loop.stop();
  });
});
