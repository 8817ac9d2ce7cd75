import { sql } from 'kysely';
import { v4 as uuid } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { formatClaimId } from '../../src/domain/claim-id.ts';
import type { ProgressReport } from '../../src/operations/report-progress.ts';
import { type Anything, type TestApi, testApi } from '../support/api.ts';
import { storeJob, storeWorker } from './stored-jobs.ts';

const reported: ProgressReport[] = [];
let api: TestApi;
beforeAll(async () => {
  api = await testApi({ claimTtlMs: 20_000, reportProgress: (report) => void reported.push(report) });
});
afterAll(() => api.close());
beforeEach(() => sql`truncate job, step, attempt, worker`.execute(api.store.db));

const resizer = { name: 'resizer@media-3', uses: ['resize'] };
const register = async (body: Anything = {}): Promise<string> =>
  (await api.call('POST', '/v1/workers', { body: { ...resizer, ...body } })).json.id;
const get = async (id: string) => (await api.call('GET', `/v1/workers/${id}`)).json;
const beat = (id: string, body: Anything = {}) => api.call('POST', `/v1/workers/${id}/heartbeat`, { body });
const age = (id: string, seconds: number) =>
  sql`update worker set last_seen_at = clock_timestamp() - ${seconds} * interval '1 second'
    where id = ${id}`.execute(api.store.db);

/** A job of one running step that the worker holds; returns the claim. */
async function holdStep(worker: string, step: Anything = {}, job: Anything = {}) {
  const claim_id = uuid();
  const held = {
    ...{ status: 'running', claim_id, claimed_by: worker, claim_ttl_ms: 7_000 },
    claim_expires_at: sql`clock_timestamp() + interval '1 second'`,
  };
  const running = { status: 'running', started_at: sql`clock_timestamp()`, ...job };
  const job_id = await storeJob(api.store, running, [{ name: 'main', uses: 'resize', ...held, ...step }]);
  return { job_id, id: formatClaimId({ job_id, ordinal: 0, claim_id }), claim_id };
}

describe('POST /v1/workers', () => {
  test('registers a worker, and answers with the intervals to use and what was not said', async () => {
    const answer = await api.call('POST', '/v1/workers', { body: resizer });
    expect(answer.status).toBe(201);
    expect(answer.json).toMatchObject({
      ...{ ...resizer, kind: 'remote', status: 'live', queues: null, slots: 1, running: 0 },
      ...{
        version: '',
        labels: {},
        heartbeat_interval_ms: 10_000,
        claim_ttl_ms: 20_000,
        wait_max_ms: 60_000,
      },
    });
    const { heartbeat_interval_ms, claim_ttl_ms, wait_max_ms, ...entry } = answer.json;
    expect((await api.call('GET', answer.headers.location as string)).json).toEqual(entry);
    const all = {
      queues: ['a', 'b/c'],
      slots: 10_000,
      version: '2.1.0',
      labels: { zone: 'b', 'a/b': 'c:d' },
    };
    expect(await get(await register(all))).toMatchObject(all);
    expect((await api.call('GET', '/v1/workers')).json.data).toHaveLength(2);
  });

  test.each([
    ['no name', { name: '' }, '/name'],
    ['a long name', { name: 'x'.repeat(201) }, '/name'],
    ['no actions', { uses: [] }, '/uses'],
    ['an action twice', { uses: ['a', 'a'] }, '/uses'],
    ['no name of an action', { uses: ['Resize!'] }, '/uses/0'],
    ['too many actions', { uses: Array.from({ length: 101 }, (_, i) => `a${i}`) }, '/uses'],
    ['no queues', { queues: [] }, '/queues'],
    ['no slots', { slots: 0 }, '/slots'],
    ['too many slots', { slots: 10_001 }, '/slots'],
    ['a field that is none', { use: ['a'] }, '/use'],
    ['a number for a label', { labels: { zone: 4 } }, '/labels/zone'],
    ['a long label', { labels: { zone: 'x'.repeat(201) } }, '/labels/zone'],
    ['a label with a colon', { labels: { 'a:b': 'c' } }, '/labels/a:b'],
    ['33 labels', { labels: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [i, ''])) }, '/labels'],
    ['a NUL in its name', { name: 'a\0' }, '/name'],
    ['a NUL in its version', { version: '\0' }, '/version'],
    ['a NUL in a label', { labels: { zone: 'a\0' } }, '/labels/zone'],
    ['half a surrogate pair', { labels: { '\ud800': 'a' } }, '/labels/\ufffd'],
  ])('refuses %s, and says where', async (_what, wrong, pointer) => {
    const { status, json } = await api.call('POST', '/v1/workers', { body: { ...resizer, ...wrong } });
    expect([status, json.code]).toEqual([422, 'invalid_body']);
    expect(json.errors.map((error: Anything) => error.pointer)).toContain(pointer);
    expect((await api.call('GET', '/v1/workers')).json.data).toEqual([]);
  });
});

describe('a worker that is none', () => {
  const calls = [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/drain'],
    ['POST', '/heartbeat'],
  ];
  test.each(calls)('%s …%s is answered worker_not_found, whatever its id', async (method, verb) => {
    for (const id of [uuid(), 'x', '%00', 'a'.repeat(1000)]) {
      const { status, json } = await api.call(method as string, `/v1/workers/${id}${verb}`);
      expect([status, json.code], id).toEqual([404, 'worker_not_found']);
    }
  });

  test('a server is shown, and only ends by its own end', async () => {
    await storeWorker(api.store, ['value']);
    const [server] = (await api.call('GET', '/v1/workers')).json.data;
    expect(server).toMatchObject({ kind: 'server', status: 'live', uses: ['value'], slots: 4, labels: {} });
    for (const [method, verb] of calls.slice(1)) {
      const { status, json } = await api.call(method as string, `/v1/workers/${server.id}${verb}`);
      expect([status, json.code]).toEqual([409, 'worker_is_server']);
      expect(json.detail).toContain('stop that server instead');
    }
    await age(server.id, 4);
    expect((await get(server.id)).status).toBe('live');
    await age(server.id, 6);
    expect((await get(server.id)).status).toBe('gone');
  });
});

describe('heartbeats', () => {
  test('keep a worker live, and bring back one that was gone', async () => {
    const id = await register();
    await age(id, 34);
    expect((await get(id)).status).toBe('live');
    await age(id, 36);
    expect((await get(id)).status).toBe('gone');
    for (const body of [undefined, {}, { claims: [] }]) {
      expect((await beat(id, body)).json).toEqual({ command: 'run', claims: [] });
    }
    const { status, last_seen_at } = await get(id);
    expect(status).toBe('live');
    expect(Date.now() - Date.parse(last_seen_at)).toBeLessThan(10_000);
  });

  test('extend the claims that they list, each by its ttl, and tell what became of the others', async () => {
    const id = await register();
    const [held, silent] = [await holdStep(id), await holdStep(id)];
    const over = { status: 'cancelled', reason: 'job_cancelled', finished_at: sql`clock_timestamp()` };
    const cancelled = await holdStep(id, { ...over, claim_expires_at: null }, over);
    const claims = [
      { id: held.id, progress: 0.5 },
      { id: 'nonsense' },
      { id: formatOf(uuid()) },
      { id: cancelled.id, progress: 1 },
    ];
    const { status, json } = await beat(id, { claims });
    expect(status).toBe(200);
    expect(json.claims.map((claim: Anything) => [claim.id, claim.action])).toEqual([
      [held.id, 'continue'],
      ['nonsense', 'lost'],
      [claims[2]?.id, 'lost'],
      [cancelled.id, 'cancel'],
    ]);
    expect(json.claims[0].expires_in_ms).toBeGreaterThan(6_000);
    expect(json.claims[0].expires_in_ms).toBeLessThanOrEqual(7_000);
    expect(json.claims[1].expires_in_ms).toBe(0);
    expect(reported).toMatchObject([
      { job_id: held.job_id, ordinal: 0, claim_id: held.claim_id, progress: 0.5 },
    ]);
    const { rows } = await sql<{ left: number }>`select (extract(epoch from claim_expires_at
      - clock_timestamp()))::float8 as left from step where job_id = ${silent.job_id}`.execute(api.store.db);
    expect(rows[0]?.left).toBeLessThan(1.1);
    expect((await get(id)).running).toBe(2);
  });

  test.each([
    ['a progress past 1', { claims: [{ id: 'a', progress: 1.5 }] }],
    ['a claim without an id', { claims: [{ progress: 0.5 }] }],
    ['more than 1,000 claims', { claims: Array(1001).fill({ id: 'a' }) }],
    ['a field that is none', { claim: [] }],
  ])('are refused with %s', async (_what, body) => {
    const { status, json } = await beat(await register(), body);
    expect([status, json.code]).toEqual([422, 'invalid_body']);
  });
});

describe('draining and removing', () => {
  test('a drained worker is told so, stays live to what it holds, and offers nothing', async () => {
    const id = await register();
    const { json } = await api.call('POST', `/v1/workers/${id}/drain`);
    expect(json).toMatchObject({ id, status: 'draining' });
    expect((await api.call('POST', `/v1/workers/${id}/drain`, { body: {} })).json.status).toBe('draining');
    const held = await holdStep(id);
    const answer = (await beat(id, { claims: [{ id: held.id }] })).json;
    expect([answer.command, answer.claims[0].action]).toEqual(['drain', 'continue']);
    await age(id, 36);
    expect((await get(id)).status).toBe('gone');
  });

  test('a removed worker has given back what it held, is told to stop, and stays removed', async () => {
    const id = await register();
    const held = await holdStep(id);
    const removed = await api.call('DELETE', `/v1/workers/${id}`);
    expect(removed.json).toEqual({
      message: `Removed worker ${id} and gave back 1 step.`,
      worker_id: id,
      released: 1,
    });
    const step = await api.call('GET', `/v1/jobs/${held.job_id}/steps/main`);
    expect(step.json).toMatchObject({ status: 'ready', failures: 0, losses: 0 });
    expect(step.json.attempts).toMatchObject([
      { outcome: 'released', worker: id, error: { code: 'worker_removed' } },
    ]);
    expect(await get(id)).toMatchObject({ status: 'gone', running: 0 });
    expect((await beat(id, { claims: [{ id: held.id }] })).json).toEqual({
      command: 'stop',
      claims: [{ id: held.id, action: 'lost', expires_in_ms: 0 }],
    });
    expect((await api.call('POST', `/v1/workers/${id}/drain`)).json.status).toBe('gone');
    expect((await beat(id)).json.command).toBe('stop');
    const again = await api.call('DELETE', `/v1/workers/${id}`);
    expect([again.status, again.json.released]).toEqual([200, 0]);
  });

  test('a removed worker that is then drained is still told to stop when it asks for claims', async () => {
    const id = await register();
    const ask = async () => (await api.call('POST', '/v1/claims', { body: { worker_id: id } })).json.command;
    expect(await ask()).toBe('run');
    await api.call('DELETE', `/v1/workers/${id}`);
    await api.call('POST', `/v1/workers/${id}/drain`);
    expect(await ask()).toBe('stop');
  });

  test('a worker whose entry is lost while it waits hears that it is unknown, and is not told to stop', async () => {
    const id = await register();
    const waiting = api.call('POST', '/v1/claims', { body: { worker_id: id, wait: '30s' } });
    await expect.poll(() => api.waiting()).toBe(1);
    // As by a failover that lost the last commits.
    await sql`delete from worker`.execute(api.store.db);
    const { status, json } = await waiting;
    expect([status, json.code]).toEqual([404, 'worker_not_found']);
  });
});

describe('GET /v1/workers', () => {
  test('pages through thousands, those that live first, newest first, each once and quickly', async () => {
    await sql`insert into worker (id, kind, name, version, uses, slots, command, started_at, last_seen_at)
      select gen_random_uuid(), 'remote', 'w' || n, '', '{resize}', 1,
        case n % 10 when 0 then 'stop' when 1 then 'drain' else 'run' end,
        now() - (n / 3) * interval '1 second',
        clock_timestamp() - case when n % 100 < 3 then interval '1 second' else interval '1 hour' end
      from generate_series(1, 5000) n`.execute(api.store.db);
    const seen: Anything[] = [];
    let slowest = 0;
    for (let cursor: string | null = ''; cursor !== null; ) {
      const since = performance.now();
      const after: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const { json } = await api.call('GET', `/v1/workers?limit=500${after}`);
      slowest = Math.max(slowest, performance.now() - since);
      seen.push(...json.data);
      cursor = json.next_cursor;
    }
    expect(new Set(seen.map((worker) => worker.id)).size).toBe(5000);
    const order = seen.map((worker) => [worker.status === 'gone' ? 0 : 1, worker.started_at, worker.id]);
    expect(order).toEqual([...order].sort().reverse());
    const count = (status: string) => seen.filter((worker) => worker.status === status).length;
    expect([count('live'), count('draining'), count('gone')]).toEqual([50, 50, 4900]);
    expect(slowest).toBeLessThan(2_000);

    const list = async (query: string) => (await api.call('GET', `/v1/workers?${query}`)).json;
    const living = await list('status=live&status=draining&limit=500');
    expect(living.data).toEqual(seen.slice(0, 100));
    expect(living.next_cursor).toBeNull();
    expect((await list('status=draining&limit=20')).data).toHaveLength(20);
  });

  test('refuses a status that is none, and cursors of other lists', async () => {
    expect((await api.call('GET', '/v1/workers?status=alive')).json.code).toBe('invalid_query');
    const jobs = Buffer.from(`j:1:${uuid()}`).toString('base64url');
    for (const cursor of ['abc', jobs])
      expect((await api.call('GET', `/v1/workers?cursor=${cursor}`)).json.code).toBe('invalid_cursor');
  });
});

describe('what workers offer', () => {
  const blockedBy = async () => {
    const id = await storeJob(api.store, {}, [{ name: 'main', uses: 'resize' }]);
    return (await api.call('GET', `/v1/jobs/${id}/steps/main`)).json.blocked_by[0];
  };
  const warnings = async (body: Anything) => {
    const [submitted, checked, batch] = [
      await api.call('POST', '/v1/jobs', { body }),
      await api.call('POST', '/v1/jobs/validate', { body }),
      await api.call('POST', '/v1/jobs/batch', { body: { jobs: [body] } }),
    ];
    const codes = (list: Anything[] = []) => list.map(({ pointer }) => pointer);
    const [inBatch] = batch.json.data;
    const all = [submitted.json.warnings, checked.json.warnings, inBatch.warnings].map(codes);
    expect(all[1]).toEqual(all[0]);
    expect(all[2]).toEqual(all[0]?.map((pointer: string) => `/jobs/0${pointer}`));
    return all[0];
  };

  test('a step says whether a live worker takes it, and how many slots serve it', async () => {
    expect(await blockedBy()).toMatchObject({ code: 'no_worker' });
    const [one] = [await register({ slots: 3 }), await register({ slots: 4 })];
    expect(await blockedBy()).toEqual({ code: 'busy', message: 'waits for its turn; 7 slots serve it' });
    await api.call('POST', `/v1/workers/${one}/drain`);
    expect(await blockedBy()).toEqual({ code: 'busy', message: 'waits for its turn; 4 slots serve it' });
    await sql`update worker set last_seen_at = clock_timestamp() - interval '36 seconds'`.execute(
      api.store.db,
    );
    expect(await blockedBy()).toMatchObject({ code: 'no_worker' });
  });

  test('nobody is warned of an action that a live worker takes from each of its queues', async () => {
    const short = { name: 'x', uses: 'resize', queue: 'images' };
    const steps = [
      { name: 'a', uses: 'value' },
      { name: 'b', uses: 'resize', queue: 'images' },
      { name: 'c', uses: 'sharpen' },
      { name: 'd', uses: 'resize' },
    ];
    expect(await warnings(short)).toEqual(['/uses']);
    const id = await register({ queues: ['images'] });
    expect(await warnings(short)).toEqual([]);
    expect(await warnings({ name: 'x', steps })).toEqual(['/steps/1/uses', '/steps/2/uses']);
    await register();
    expect(await warnings({ name: 'x', steps })).toEqual(['/steps/2/uses']);
    await sql`delete from worker where id <> ${id}`.execute(api.store.db);
    await api.call('DELETE', `/v1/workers/${id}`);
    expect(await warnings(short)).toEqual(['/uses']);
  });
});

function formatOf(claim_id: string): string {
  return formatClaimId({ job_id: uuid(), ordinal: 0, claim_id });
}
