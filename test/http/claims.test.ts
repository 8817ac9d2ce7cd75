import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cancelJob } from '../../src/operations/cancel-job.ts';
import { rescueExpired } from '../../src/operations/rescue-steps.ts';
import { type Anything, type TestApi, testApi } from '../support/api.ts';

let api: TestApi;

beforeAll(async () => {
  api = await testApi();
});

afterAll(() => api.close());

/** An action that only this test's workers offer, so that tests do not take each other's steps. */
const newAction = () => `act-${randomUUID().slice(0, 8)}`;

async function register(...uses: string[]): Promise<string> {
  return (await api.call('POST', '/v1/workers', { body: { name: 'test', uses } })).json.id;
}

async function submit(uses: string, more: object = {}): Promise<string> {
  const body = { name: 'job', steps: [{ name: 'one', uses }], ...more };
  return (await api.call('POST', '/v1/jobs', { body })).json.id;
}

const claim = (worker_id: string, more: object = {}) =>
  api.call('POST', '/v1/claims', { body: { worker_id, ...more } });
const verb = (id: string, name: string, body: object = {}) =>
  api.call('POST', `/v1/claims/${id}/${name}`, { body });
const job = async (id: string) => (await api.call('GET', `/v1/jobs/${id}?include=steps`)).json;

/** One claimed step of a new job, and who holds it. */
async function claimed(more: object = {}, terms: object = {}) {
  const uses = newAction();
  const id = await submit(uses, more);
  const worker = await register(uses);
  const { data } = (await claim(worker, terms)).json;
  return { job: id, uses, worker, claim: data[0] as Anything };
}

/** Lets the claim's time pass, by the database's clock. */
async function expire(claimId: string): Promise<void> {
  const jobId = Buffer.from(claimId, 'base64url').toString('hex').slice(0, 32);
  await sql`update step set claim_expires_at = clock_timestamp() - interval '1 second'
    where job_id = ${jobId}::uuid and status = 'running'`.execute(api.store.db);
}

describe('a claim', () => {
  it('carries all that a worker needs: its expressions evaluated, its times, the trace of its job', async () => {
    const uses = newAction();
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const body = {
      ...{ name: 'traced', input: { n: 20 }, labels: { team: 'media' } },
      steps: [
        {
          name: 'one',
          uses,
          with: { twice: '${{ input.n * 2 }}' },
          timeout: '5m',
          retry: { max_attempts: 3 },
        },
      ],
    };
    const submitted = await api.call('POST', '/v1/jobs', { body, headers: { traceparent } });
    const answer = (await claim(await register(uses), { ttl: '10s' })).json;
    expect(answer).toMatchObject({
      command: 'run',
      data: [
        {
          ...{ job_id: submitted.json.id, job_name: 'traced', step: 'one', uses, queue: 'default' },
          ...{ with: { twice: 40 }, attempt: 1, max_attempts: 3, labels: { team: 'media' }, traceparent },
        },
      ],
    });
    const [{ expires_in_ms, deadline_in_ms }] = answer.data;
    expect(expires_in_ms).toBeGreaterThan(5_000);
    expect(expires_in_ms).toBeLessThanOrEqual(10_000);
    expect(deadline_in_ms).toBeGreaterThan(290_000);
    expect(deadline_in_ms).toBeLessThanOrEqual(300_000);
  });

  it('has a trace made of the id of its job when that came without one', async () => {
    const { claim: taken, job: id } = await claimed();
    expect(taken.traceparent).toMatch(new RegExp(`^00-${id.replaceAll('-', '')}-[0-9a-f]{16}-01$`));
  });

  it('fails a step whose `with` cannot be evaluated instead of handing it out, and goes on waiting', async () => {
    const uses = newAction();
    const bad = await submit(uses, {
      input: {},
      steps: [{ name: 'one', uses, with: { x: '${{ input.none.deeper }}' } }],
    });
    const worker = await register(uses);
    const waiting = claim(worker, { wait: '20s' });
    await expect.poll(async () => (await job(bad)).status, { timeout: 10_000 }).toBe('failed');
    expect((await job(bad)).steps.data[0].error.code).toBe('expression_error');
    const good = await submit(uses);
    expect((await waiting).json.data).toMatchObject([{ job_id: good }]);
  });

  it('is granted to a long-poll the moment a step becomes ready, and to nobody else', async () => {
    const uses = newAction();
    const [first, second] = [await register(uses), await register(uses)];
    const waiting = [claim(first, { wait: '20s' })];
    await expect.poll(() => api.waiting()).toBe(1);
    waiting.push(claim(second, { wait: '2s' }));
    await expect.poll(() => api.waiting()).toBe(2);
    const id = await submit(uses);
    const answers = (await Promise.all(waiting)).map(({ json }) => json.data.length);
    expect(answers).toEqual([1, 0]);
    expect((await job(id)).steps.data[0].attempt).toBe(1);
  });

  it('is given again for the same request, as far as it still runs, and to no other request', async () => {
    const uses = newAction();
    const id = await submit(uses, { steps: [1, 2, 3].map((n) => ({ name: `s${n}`, uses })) });
    const worker = await register(uses);
    const ask = { request_id: 'r1', max: 2 };
    const [one, two] = await Promise.all([claim(worker, ask), claim(worker, ask)]);
    const ids = one.json.data.map((taken: Anything) => taken.id);
    expect(ids).toHaveLength(2);
    expect(two.json.data.map((taken: Anything) => taken.id).sort()).toEqual([...ids].sort());
    await verb(ids[0], 'complete');
    expect((await claim(worker, ask)).json.data).toMatchObject([{ id: ids[1] }]);
    const other = (await claim(worker, { request_id: 'r2', max: 2 })).json.data;
    expect(other).toHaveLength(1);
    expect((await job(id)).steps.data.map((step: Anything) => step.attempt)).toEqual([1, 1, 1]);
  });

  it('is never granted on a step of a paused, cancelled or deleted job', async () => {
    const uses = newAction();
    const worker = await register(uses);
    const [paused, cancelled, deleted] = [await submit(uses), await submit(uses), await submit(uses)];
    await api.call('POST', `/v1/jobs/${paused}/pause`);
    await api.call('POST', `/v1/jobs/${cancelled}/cancel`);
    await api.call('POST', `/v1/jobs/${deleted}/cancel`);
    await api.call('DELETE', `/v1/jobs/${deleted}`);
    expect((await claim(worker, { max: 10 })).json.data).toEqual([]);
    const waiting = claim(worker, { wait: '20s' });
    await api.call('POST', `/v1/jobs/${paused}/resume`);
    expect((await waiting).json.data).toMatchObject([{ job_id: paused }]);
  });

  it('is refused with what is wrong', async () => {
    const worker = await register('never');
    const wrong = async (body: object) => {
      const { status, json } = await api.call('POST', '/v1/claims', { body });
      return `${status} ${json.code} ${json.errors[0]?.pointer ?? ''} ${json.detail}`;
    };
    expect(await wrong({ worker_id: randomUUID() })).toMatch(/^404 worker_not_found .*POST \/v1\/workers/);
    expect(await wrong({ worker_id: 'me' })).toMatch(/^404 worker_not_found/);
    expect(await wrong({ worker_id: worker, ttl: 0 })).toMatch(/^422 invalid_body \/ttl .*least is 1s/);
    expect(await wrong({ worker_id: worker, ttl: '2h' })).toMatch(/^422 invalid_body \/ttl .*most is 1h/);
    expect(await wrong({ worker_id: worker, wait: '61s' })).toMatch(/^422 invalid_body \/wait .*most is 1m/);
    expect(await wrong({ worker_id: worker, max: 0 })).toMatch(/^422 invalid_body \/max .*at least 1/);
    expect(await wrong({ worker_id: worker, max: 1001 })).toMatch(/^422 invalid_body \/max .*at most 1000/);
    expect(await wrong({ worker_id: worker, uses: ['A B'] })).toMatch(
      /lowercase letters, .*such as "resize"/,
    );
    expect(await wrong({ worker_id: worker, uses: 'a' })).toMatch(/`uses` must be a list/);
    expect(await wrong({ worker_id: worker, uses: [] })).toMatch(/^422 invalid_body \/uses/);
    expect(await wrong({ worker_id: worker, request_id: 'a\u0000b' })).toMatch(
      /^422 invalid_body \/request_id/,
    );
    expect(await wrong({ worker_id: worker, tll: '5s' })).toMatch(/^422 invalid_body \/tll .*`ttl`/);
  });
});

describe('an outcome', () => {
  it('is accepted from an expired claim that nobody rescued yet', async () => {
    const { claim: taken, job: id } = await claimed();
    await expire(taken.id);
    expect((await verb(taken.id, 'complete', { output: 1 })).json).toEqual({
      id: taken.id,
      outcome: 'succeeded',
    });
    expect((await job(id)).status).toBe('succeeded');
  });

  it('is refused once the claim was rescued, whatever it says, and leaves the next attempt alone', async () => {
    const { claim: taken, job: id, worker } = await claimed();
    await expire(taken.id);
    await rescueExpired(api.store);
    const again = (await claim(worker, { wait: '10s' })).json.data[0];
    expect(again).toMatchObject({ job_id: id, attempt: 2 });
    for (const [name, body] of [
      ['complete', { output: 'late' }],
      ['fail', { error: { message: 'late' } }],
      ['release', {}],
      ['extend', {}],
    ] as const) {
      const { status, json } = await verb(taken.id, name, body);
      expect([status, json.code, json.reason]).toEqual([409, 'claim_lost', 'expired']);
    }
    expect((await verb(again.id, 'complete', { output: 'mine' })).status).toBe(200);
    const { output, attempt, losses } = (await job(id)).steps.data[0];
    expect([output, attempt, losses]).toEqual(['mine', 2, 1]);
  });

  it('of a step that was lost too often is refused, and the step has failed with claim_lost_limit', async () => {
    const { claim: first, job: id, worker } = await claimed({ defaults: { retry: { max_losses: 1 } } });
    await expire(first.id);
    await rescueExpired(api.store);
    const second = (await claim(worker, { wait: '10s' })).json.data[0];
    await expire(second.id);
    await rescueExpired(api.store);
    const { json } = await verb(second.id, 'complete', { output: 'late' });
    expect([json.code, json.reason]).toEqual(['claim_lost', 'expired']);
    const { status, steps } = await job(id);
    expect(status).toBe('failed');
    expect(steps.data[0]).toMatchObject({
      ...{ status: 'failed', attempt: 2, failures: 0, losses: 2, output: null },
      error: { code: 'claim_lost_limit' },
    });
  });

  it('gets its first answer again, and another one after it is refused', async () => {
    const { claim: done } = await claimed();
    const first = await verb(done.id, 'complete', { output: 1 });
    expect((await verb(done.id, 'complete', { output: 2 })).json).toEqual(first.json);
    const other = await verb(done.id, 'fail', { error: { message: 'no' } });
    expect([other.status, other.json.code]).toEqual([409, 'claim_settled']);

    const retry = { defaults: { retry: { max_attempts: 2, delay: '10m', jitter: false } } };
    const { claim: failed } = await claimed(retry);
    const said = await verb(failed.id, 'fail', { error: { message: 'once' } });
    expect(said.json).toMatchObject({ outcome: 'retrying', retry_in_ms: 600_000 });
    expect((await verb(failed.id, 'fail', { error: { message: 'twice' } })).json.outcome).toBe('retrying');
    expect((await verb(failed.id, 'complete')).json.code).toBe('claim_settled');

    const { claim: released } = await claimed();
    expect((await verb(released.id, 'release', { delay: '10m' })).json).toMatchObject({
      outcome: 'released',
    });
    expect((await verb(released.id, 'release')).json.outcome).toBe('released');
  });

  it('is refused when the job was cancelled meanwhile', async () => {
    const { claim: taken, job: id } = await claimed();
    await cancelJob(api.store, id, null);
    const { status, json } = await verb(taken.id, 'complete', { output: 1 });
    expect([status, json.code, json.reason]).toEqual([409, 'claim_lost', 'cancelled']);
    expect((await verb(taken.id, 'extend')).json.action).toBe('cancel');
    expect((await job(id)).steps.data[0].output).toBeNull();
  });

  it('of a claim that never was, or whose job is deleted, gets 404', async () => {
    const { claim: taken, job: id } = await claimed();
    await cancelJob(api.store, id, null);
    await api.call('DELETE', `/v1/jobs/${id}`);
    for (const unknown of [taken.id, 'x', taken.id.slice(0, -1), `${taken.id.slice(0, -2)}zz`]) {
      const { status, json } = await verb(unknown, 'complete');
      expect([status, json.code]).toEqual([404, 'claim_not_found']);
    }
  });

  it('that failed for good ends the step at once; a retry waits at least as long as the worker says', async () => {
    const retry = { defaults: { retry: { max_attempts: 3, delay: '1s', jitter: false } } };
    const { claim: hopeless, job: id } = await claimed(retry);
    const error = { code: 'no_such_image', message: 'cat.png is not there', details: { file: 'cat.png' } };
    expect((await verb(hopeless.id, 'fail', { error, retryable: false })).json.outcome).toBe('failed');
    expect((await job(id)).steps.data[0]).toMatchObject({ status: 'failed', attempt: 1, error });
    const { claim: later } = await claimed(retry);
    const said = await verb(later.id, 'fail', { error: { message: 'later' }, retry_after: '1h' });
    expect(said.json).toMatchObject({ outcome: 'retrying', retry_in_ms: 3_600_000 });
  });

  it('keeps the claim when it cannot be stored: too large, or not what the call takes', async () => {
    const { claim: taken, job: id } = await claimed();
    const large = await verb(taken.id, 'complete', { output: 'x'.repeat(300_000) });
    expect([large.status, large.json.errors[0].pointer]).toEqual([422, '/output']);
    expect((await verb(taken.id, 'fail', {})).status).toBe(422);
    expect((await verb(taken.id, 'fail', { error: 'boom' })).json.detail).toMatch(
      /`error` must be a JSON object/,
    );
    expect((await verb(taken.id, 'fail', { error: { message: 'x' }, retry_after: '31d' })).status).toBe(422);
    expect((await verb(taken.id, 'complete', { output: 'nul \u0000' })).status).toBe(200);
    expect((await job(id)).steps.data[0].output).toBe('nul \uFFFD');
  });

  it('of a batch is judged for itself; of two about one claim the first wins', async () => {
    const uses = newAction();
    await submit(uses, { steps: [1, 2, 3].map((n) => ({ name: `s${n}`, uses })) });
    const worker = await register(uses);
    const [a, b, c] = (await claim(worker, { max: 3 })).json.data.map((taken: Anything) => taken.id);
    const { json } = await api.call('POST', '/v1/claims/settle', {
      body: {
        outcomes: [
          { id: a, output: 1 },
          { id: a, error: { message: 'no' } },
          { id: 'nothing' },
          { id: b, output: 'x'.repeat(300_000) },
          { id: c, release: true, delay: '1h' },
          { id: c, error: { message: 'both' }, release: true },
        ],
      },
    });
    expect(json.data.map((one: Anything) => `${one.status} ${one.code ?? one.outcome}`)).toEqual([
      '200 succeeded',
      '409 claim_settled',
      '404 claim_not_found',
      '422 invalid_body',
      '200 released',
      '422 invalid_body',
    ]);
    expect(json.claims).toEqual([]);
  });

  it('of a batch never passes for a success because what it goes with is missing', async () => {
    const { claim: taken, job: id } = await claimed();
    const odd = [
      { retryable: false },
      { retry_after: '1s' },
      { delay: '1s' },
      { output: 1, release: true },
      { output: 1, error: { message: 'no' } },
      { error: { message: 'no' }, release: true },
    ];
    const outcomes = odd.map((one) => ({ id: taken.id, ...one }));
    const { data } = (await api.call('POST', '/v1/claims/settle', { body: { outcomes } })).json;
    expect(data.map((one: Anything) => one.status)).toEqual(odd.map(() => 422));
    expect(data[0].detail).toBe('`retryable` goes with `error`: say what failed');
    expect((await job(id)).status).toBe('running');
    const failed = { id: taken.id, output: null, error: { message: 'no' }, release: false };
    const body = { outcomes: [failed] };
    expect((await api.call('POST', '/v1/claims/settle', { body })).json.data[0].outcome).toBe('failed');
  });

  it('hands its worker the steps that became ready by it, in the same call', async () => {
    const uses = newAction();
    const steps = ['a', 'b', 'c'].map((name, i, all) => ({ name, uses, needs: i ? [all[i - 1]] : [] }));
    const id = await submit(uses, { steps });
    const worker = await register(uses);
    let [held] = (await claim(worker)).json.data;
    const seen: string[] = [];
    while (held) {
      seen.push(held.step);
      const body = { outcomes: [{ id: held.id, output: null }], claim: { worker_id: worker } };
      const { json } = await api.call('POST', '/v1/claims/settle', { body });
      expect(json.data[0].status).toBe(200);
      held = json.claims[0];
    }
    expect(seen).toEqual(['a', 'b', 'c']);
    expect((await job(id)).status).toBe('succeeded');
  });

  it('sent twice with a claim in the same call gets the same next step again', async () => {
    const uses = newAction();
    const steps = ['a', 'b'].map((name, i) => ({ name, uses, needs: i ? ['a'] : [] }));
    await submit(uses, { steps });
    const worker = await register(uses);
    const [held] = (await claim(worker)).json.data;
    const ask = { worker_id: worker, request_id: 'next', wait: '5s' };
    const body = { outcomes: [{ id: held.id, output: null }], claim: ask };
    const send = () => api.call('POST', '/v1/claims/settle', { body });
    const [first, second] = await Promise.all([send(), send()]);
    expect(first.json.claims).toMatchObject([{ step: 'b', attempt: 1 }]);
    expect(second.json.claims.map((one: Anything) => one.id)).toEqual([first.json.claims[0].id]);
    expect((await send()).json.claims.map((one: Anything) => one.id)).toEqual([first.json.claims[0].id]);
  });
});

describe('the order of claims', () => {
  const many = (uses: string, count: number, chained = false) =>
    Array.from({ length: count }, (_, i) => ({
      ...{ name: `s${i}`, uses },
      needs: chained && i > 0 ? [`s${i - 1}`] : [],
    }));

  it('lets a small job in while a giant one of the same priority has much ready', async () => {
    const uses = newAction();
    const worker = await register(uses);
    // Its last step has its turn ten seconds after the first.
    await submit(uses, { steps: many(uses, 2000) });
    expect((await claim(worker, { max: 20 })).json.data).toHaveLength(20);
    const small = await submit(uses);
    let before = 0;
    for (let found = false; !found; ) {
      const { data } = (await claim(worker, { max: 100 })).json;
      found = data.some((taken: Anything) => taken.job_id === small);
      before += data.length;
    }
    expect(before).toBeLessThan(1500);
  });

  it('is not held up by a queue or an action that nobody serves', async () => {
    const [uses, nobodys] = [newAction(), newAction()];
    const worker = await register(uses);
    await submit(nobodys, { priority: 100, steps: many(nobodys, 500) });
    await submit(uses, { priority: 100, queue: 'nobodys', steps: many(uses, 500) });
    const served = await submit(uses);
    const { data } = (await claim(worker, { max: 5, queues: ['default'] })).json;
    expect(data.map((taken: Anything) => taken.job_id)).toEqual([served]);
  });

  it('gives the queue its turn while a worker is handed one step of a chain after the other', async () => {
    const uses = newAction();
    const worker = await register(uses);
    await submit(uses, { steps: many(uses, 40, true) });
    let [held] = (await claim(worker)).json.data;
    const other = await submit(uses);
    const jobs: string[] = [];
    while (held) {
      jobs.push(held.job_id);
      const body = { outcomes: [{ id: held.id }], claim: { worker_id: worker } };
      held = (await api.call('POST', '/v1/claims/settle', { body })).json.claims[0];
    }
    expect(jobs).toHaveLength(41);
    expect(jobs.indexOf(other)).toBeLessThanOrEqual(17);
  });

  it('spreads what is ready over all who wait', async () => {
    const uses = newAction();
    const workers = await Promise.all([1, 2, 3, 4].map(() => register(uses)));
    const waiting = workers.map((worker) => claim(worker, { max: 100, wait: '20s' }));
    await expect.poll(() => api.waiting()).toBe(4);
    // A look that began before all of them waited is over then.
    await claim(await register(newAction()));
    await submit(uses, { steps: many(uses, 40) });
    const counts = (await Promise.all(waiting)).map(({ json }) => json.data.length);
    expect(counts).toEqual([10, 10, 10, 10]);
  });
});

describe('a worker that is told to leave', () => {
  it('gets no claims, also when its request waits already', async () => {
    const uses = newAction();
    const worker = await register(uses);
    const waiting = claim(worker, { wait: '20s' });
    await api.call('POST', `/v1/workers/${worker}/drain`);
    expect((await waiting).json).toEqual({ data: [], command: 'drain' });
    await submit(uses);
    expect((await claim(worker)).json).toEqual({ data: [], command: 'drain' });
  });
});
