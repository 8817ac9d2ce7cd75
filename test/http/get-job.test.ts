import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestApi, testApi } from '../support/api.ts';
import { storeJob } from './stored-jobs.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi();
});
afterAll(() => api.close());

const over = { status: 'succeeded', finished_at: sql`clock_timestamp()` };

describe('GET /v1/jobs/{id}', () => {
  test('answers a job in the middle with its progress and what is left', async () => {
    const id = await storeJob(
      api.store,
      {
        status: 'running',
        progress: 0.25,
        started_at: sql`clock_timestamp() - interval '10 seconds'`,
        labels: '{"a":"b"}',
      },
      [{ name: 'a', status: 'succeeded' }, { name: 'b', status: 'running' }, { name: 'c' }, { name: 'd' }],
    );
    const { json, headers, status } = await api.call('GET', `/v1/jobs/${id}`);
    expect(status).toBe(200);
    expect(headers.etag).toBe('W/"1"');
    expect(json).toMatchObject({
      status: 'running',
      progress: 0.25,
      labels: { a: 'b' },
      steps: { total: 4, succeeded: 1, running: 1, ready: 2, pending: 0 },
    });
    expect(json.elapsed_ms).toBeGreaterThanOrEqual(10_000);
    expect(json.estimated_remaining_ms).toBe(3 * json.elapsed_ms);
    expect(json.started_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  test('freezes the time of a job that is over; nothing remains, and its progress is 1', async () => {
    const id = await storeJob(
      api.store,
      {
        ...over,
        progress: 0.5,
        started_at: sql`clock_timestamp() - interval '1 hour'`,
        finished_at: sql`clock_timestamp() - interval '30 minutes'`,
        output: '{"n":[1,"two",null]}',
      },
      [{ name: 'a', status: 'succeeded' }],
    );
    const { json } = await api.call('GET', `/v1/jobs/${id}`);
    expect(Math.abs(json.elapsed_ms - 1_800_000)).toBeLessThan(50);
    expect(json).toMatchObject({ progress: 1, estimated_remaining_ms: 0, output: { n: [1, 'two', null] } });
  });

  test('shows why a job failed, with every detail', async () => {
    const error = {
      code: 'step_failed',
      message: 'step "a" failed',
      details: { step: 'a', list: [1, { deep: true }] },
    };
    const id = await storeJob(
      api.store,
      { ...over, status: 'failed', reason: 'step_failed', error: JSON.stringify(error) },
      [{ name: 'a', status: 'failed' }],
    );
    const { json } = await api.call('GET', `/v1/jobs/${id}`);
    expect(json).toMatchObject({ status: 'failed', reason: 'step_failed', estimated_remaining_ms: null });
    expect(json.error).toEqual(error);
  });

  test('answers 304 to who has this version, compared weakly', async () => {
    const id = await storeJob(api.store, { version: 7 });
    for (const known of ['W/"7"', '"7"', '"1", W/"7"', '*']) {
      const answer = await api.call('GET', `/v1/jobs/${id}`, { headers: { 'if-none-match': known } });
      expect([answer.status, answer.text, answer.headers.etag], known).toEqual([304, '', 'W/"7"']);
    }
    const other = await api.call('GET', `/v1/jobs/${id}`, { headers: { 'if-none-match': 'W/"6"' } });
    expect(other.status).toBe(200);
  });

  test('answers HEAD like GET without a body', async () => {
    const id = await storeJob(api.store, { version: 3 });
    const answer = await api.call('HEAD', `/v1/jobs/${id}`);
    expect([answer.status, answer.text, answer.headers.etag]).toEqual([200, '', 'W/"3"']);
    expect(Number(answer.headers['content-length'])).toBeGreaterThan(100);
  });

  test('includes the steps on request, the first 500 of them', async () => {
    const names = Array.from({ length: 501 }, (_, i) => ({ name: `s${i}` }));
    const id = await storeJob(api.store, {}, names);
    const { json } = await api.call('GET', `/v1/jobs/${id}?include=steps`);
    expect(json.steps).toMatchObject({ total: 501, ready: 501 });
    expect(json.steps.data).toHaveLength(500);
    expect(json.steps.data[2]).toMatchObject({ name: 's2', status: 'ready' });
    const rest = await api.call('GET', `/v1/jobs/${id}/steps?cursor=${json.steps.next_cursor}`);
    expect(rest.json).toMatchObject({ data: [{ name: 's500' }], next_cursor: null });
  });

  test('refuses to include what it does not know, naming what it does', async () => {
    const id = await storeJob(api.store);
    for (const include of ['step', 'steps,total', '']) {
      const answer = await api.call('GET', `/v1/jobs/${id}?include=${include}`);
      expect([answer.status, answer.json.code]).toEqual([400, 'invalid_query']);
      expect(answer.json.errors).toEqual([
        expect.objectContaining({ pointer: '/include', detail: expect.stringContaining('must be steps') }),
      ]);
    }
  });

  test.each(['0191b0c8-5c1e-7d0a-b8a4-7a2f4f0e9b11', 'x', '%00', "1'%20or%201=1", 'a'.repeat(90)])(
    'answers 404 to the id %s, with what to do',
    async (id) => {
      const answer = await api.call('GET', `/v1/jobs/${id}`);
      expect([answer.status, answer.json.code]).toEqual([404, 'job_not_found']);
      expect(answer.json.detail.length).toBeGreaterThan(30);
    },
  );

  test('takes an id in capitals, and a slash at the end', async () => {
    const id = await storeJob(api.store);
    const answer = await api.call('GET', `/v1/jobs/${id.toUpperCase()}/`);
    expect(answer.json.id).toBe(id);
  });
});

describe('GET /v1/jobs/{id}?wait', () => {
  test('answers at once when the job is over', async () => {
    const id = await storeJob(api.store, over, [{ name: 'a', status: 'succeeded' }]);
    const [answer, ms] = await timed(() => api.call('GET', `/v1/jobs/${id}?wait=60s`));
    expect(answer.status).toBe(200);
    expect(ms).toBeLessThan(5_000);
  });

  test('answers as soon as the job is over, by the hint', async () => {
    const id = await storeJob(api.store);
    // Hints name ids as the database writes them.
    const waiting = api.call('GET', `/v1/jobs/${id.toUpperCase()}?wait=60s`);
    await listener(id);
    await end(id);
    const ended = performance.now();
    api.store.wakeUps.jobsChanged([id]);
    const { json } = await waiting;
    expect(json.status).toBe('succeeded');
    expect(performance.now() - ended).toBeLessThan(400);
  });

  test('answers as soon as a hint says that the job is over, whatever hints said before', async () => {
    const id = await storeJob(api.store);
    const waiting = api.call('GET', `/v1/jobs/${id}?wait=60s`);
    await listener(id);
    await end(id);
    const ended = performance.now();
    api.store.wakeUps.jobsChanged([id], () => ({ status: 'running', version: 2 }));
    api.store.wakeUps.jobsChanged([id], () => ({ status: 'succeeded', version: 3 }));
    expect((await waiting).json.status).toBe('succeeded');
    expect(performance.now() - ended).toBeLessThan(400);
  });

  test('answers also when no hint comes', async () => {
    const id = await storeJob(api.store);
    const [answer, ms] = await timed(async () => {
      const waiting = api.call('GET', `/v1/jobs/${id}?wait=60s`);
      await listener(id);
      await end(id);
      return await waiting;
    });
    expect(answer.json.status).toBe('succeeded');
    expect(ms).toBeLessThan(10_000);
  });

  test('does not answer to changes that are no end', async () => {
    const id = await storeJob(api.store);
    const waiting = api.call('GET', `/v1/jobs/${id}?wait=60s`);
    await listener(id);
    for (let i = 0; i < 3; i += 1) {
      await change(id);
      api.store.wakeUps.jobsChanged([id]);
    }
    await end(id);
    api.store.wakeUps.jobsChanged([id]);
    expect((await waiting).json).toMatchObject({ status: 'succeeded', version: 5 });
  });

  test('answers with how the job is when time is up', async () => {
    const id = await storeJob(api.store);
    const [answer, ms] = await timed(() => api.call('GET', `/v1/jobs/${id}?wait=250ms`));
    expect([answer.status, answer.json.status]).toEqual([200, 'queued']);
    expect(ms).toBeGreaterThan(200);
  });

  test('with If-None-Match waits for the next version, and answers 304 when none came', async () => {
    const id = await storeJob(api.store);
    const headers = { 'if-none-match': 'W/"1"' };
    const [held, ms] = await timed(() => api.call('GET', `/v1/jobs/${id}?wait=250ms`, { headers }));
    expect([held.status, held.headers.etag]).toEqual([304, 'W/"1"']);
    expect(ms).toBeGreaterThan(200);

    const waiting = api.call('GET', `/v1/jobs/${id}?wait=60s`, { headers });
    await listener(id);
    await change(id);
    api.store.wakeUps.jobsChanged([id]);
    const changed = await waiting;
    expect([changed.status, changed.headers.etag, changed.json.status]).toEqual([200, 'W/"2"', 'queued']);
  });

  test('takes the wish of a Prefer header, shortens it, and says what it granted', async () => {
    const id = await storeJob(api.store, over, [{ name: 'a', status: 'succeeded' }]);
    const call = (prefer: string) => api.call('GET', `/v1/jobs/${id}`, { headers: { prefer } });
    expect((await call('respond-async, wait=5')).headers['preference-applied']).toBe('wait=5');
    expect((await call('wait=86400')).headers['preference-applied']).toBe('wait=60');
    expect((await call('wait=soon')).headers).not.toHaveProperty('preference-applied');
  });

  test('answers 404 when the job is deleted meanwhile', async () => {
    const id = await storeJob(api.store);
    const waiting = api.call('GET', `/v1/jobs/${id}?wait=60s`);
    await listener(id);
    await api.store.db.deleteFrom('job').where('id', '=', id).execute();
    api.store.wakeUps.jobsChanged([id]);
    expect((await waiting).status).toBe(404);
  });

  // Well below the interval at which it looks by itself; again, because a busy machine may be slow.
  test('stops as soon as its client has gone', { retry: 2 }, async () => {
    const id = await storeJob(api.store);
    const leaving = new AbortController();
    const waiting = api.call('GET', `/v1/jobs/${id}?wait=60s`, { signal: leaving.signal });
    await listener(id);
    leaving.abort();
    await expect(waiting).rejects.toThrow();
    const [, ms] = await timed(() => until(() => listeners.get(id) === 0));
    expect(ms).toBeLessThan(350);
  });

  test('lets many wait for one job', async () => {
    const id = await storeJob(api.store);
    const waiting = Array.from({ length: 50 }, () => api.call('GET', `/v1/jobs/${id}?wait=60s`));
    await until(() => listeners.get(id) === 50);
    await end(id);
    api.store.wakeUps.jobsChanged([id]);
    const answers = await Promise.all(waiting);
    expect(new Set(answers.map((answer) => answer.json.status))).toEqual(new Set(['succeeded']));
  });

  test.each(['61s', '-1', 'soon', '1.5s', ''])('refuses wait=%s', async (wait) => {
    const answer = await api.call('GET', `/v1/jobs/0191b0c8-5c1e-7d0a-b8a4-7a2f4f0e9b11?wait=${wait}`);
    expect([answer.status, answer.json.code]).toEqual([400, 'invalid_query']);
    expect(answer.json.errors[0].pointer).toBe('/wait');
  });
});

describe('a submit that waits', () => {
  test('answers 200 when the job ended in time, else 202', async () => {
    const body = { name: 'x', uses: 'value' };
    const late = await api.call('POST', '/v1/jobs?wait=100ms', { body });
    expect(late.status).toBe(202);

    let id = '';
    const stop = api.store.wakeUps.onJobsChanged((ids) => {
      id = ids[0] as string;
    });
    const waiting = api.call('POST', '/v1/jobs', { body, headers: { prefer: 'wait=30' } });
    await until(() => id !== '');
    stop();
    await end(id);
    api.store.wakeUps.jobsChanged([id]);
    const answer = await waiting;
    expect([answer.status, answer.json.status]).toEqual([200, 'succeeded']);
    expect(answer.headers['preference-applied']).toBe('wait=30');
    expect(answer.headers.location).toBe(`/v1/jobs/${id}`);
  });

  test('stores nothing when its wait cannot be read', async () => {
    const answer = await api.call('POST', '/v1/jobs?wait=ages', {
      body: { name: 'never-stored', uses: 'value' },
    });
    expect(answer.status).toBe(400);
    const list = await api.call('GET', '/v1/jobs?name=never-stored');
    expect(list.json.data).toEqual([]);
  });
});

describe('a server that stops', () => {
  test('ends all waits at once, with how things are', { retry: 2 }, async () => {
    const stopping = await testApi();
    const id = await storeJob(stopping.store);
    let heard = false;
    const { onJobChanged } = stopping.store.wakeUps;
    stopping.store.wakeUps.onJobChanged = (job, listen) => {
      heard = true;
      return onJobChanged(job, listen);
    };
    const waiting = stopping.call('GET', `/v1/jobs/${id}?wait=60s`);
    await until(() => heard);
    const [, ms] = await timed(() => stopping.app.close());
    const answer = await waiting;
    expect([answer.status, answer.json.status]).toEqual([200, 'queued']);
    expect(ms).toBeLessThan(350);
    await stopping.close();
  });
});

const listeners = new Map<string, number>();
beforeAll(() => {
  const { onJobChanged } = api.store.wakeUps;
  api.store.wakeUps.onJobChanged = (id, listen) => {
    listeners.set(id, (listeners.get(id) ?? 0) + 1);
    const stop = onJobChanged(id, listen);
    return () => {
      listeners.set(id, (listeners.get(id) ?? 0) - 1);
      stop();
    };
  };
});

async function listener(id: string): Promise<void> {
  await until(() => (listeners.get(id) ?? 0) > 0);
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('the condition did not come');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function timed<Result>(work: () => Promise<Result>): Promise<[Result, number]> {
  const start = performance.now();
  const result = await work();
  return [result, performance.now() - start];
}

async function change(id: string): Promise<void> {
  await api.store.db.updateTable('job').set({ version: sql`version + 1` }).where('id', '=', id).execute();
}

async function end(id: string): Promise<void> {
  await sql`update job set status = 'succeeded', version = version + 1, finished_at = clock_timestamp(),
    steps_ready = 0, steps_succeeded = steps_ready where id = ${id}`.execute(api.store.db);
}
