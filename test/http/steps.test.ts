import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, type TestApi, testApi } from '../support/api.ts';
import { storeJob, storeWorker } from './stored-jobs.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi();
  await storeWorker(api.store, ['value', 'wait'], ['default']);
});
afterAll(() => api.close());

const NOW = sql`clock_timestamp()`;
const missing = '0191b0c8-5c1e-7d0a-b8a4-7a2f4f0e9b11';

describe('GET /v1/jobs/{id}/steps', () => {
  test('lists the steps in the order of the definition, with names for needs', async () => {
    const id = await storeJob(api.store, { status: 'running', started_at: NOW }, [
      { name: 'b', status: 'succeeded', output: '{"n":[1,null,"x"]}', version: 3 },
      { name: 'a', status: 'running', progress: 0.5 },
      { name: 'c', status: 'pending', needs: [1, 0], unmet: 1 },
    ]);
    const { json, status } = await api.call('GET', `/v1/jobs/${id}/steps`);
    expect(status).toBe(200);
    expect(json.next_cursor).toBeNull();
    expect(json.data).toMatchObject([
      {
        name: 'b',
        status: 'succeeded',
        progress: 1,
        output: { n: [1, null, 'x'] },
        version: 3,
        blocked_by: [],
      },
      {
        name: 'a',
        status: 'running',
        progress: 0.5,
        output: null,
        claimed_by: expect.any(String),
        blocked_by: [],
      },
      { name: 'c', needs: ['a', 'b'], claimed_by: null, blocked_by: [{ code: 'needs' }] },
    ]);
    expect(json.data[2].blocked_by[0].message).toBe('waits for "a" (running)');
  });

  test('pages, and filters by status', async () => {
    const steps = Array.from({ length: 7 }, (_, i) => ({
      name: `s${i}`,
      status: i % 2 === 0 ? 'ready' : 'skipped',
    }));
    const id = await storeJob(api.store, {}, steps);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Answer = await api.call(
        'GET',
        `/v1/jobs/${id}/steps?status=ready&limit=2${cursor === null ? '' : `&cursor=${cursor}`}`,
      );
      seen.push(...page.json.data.map((step: { name: string }) => step.name));
      cursor = page.json.next_cursor;
    } while (cursor !== null);
    expect(seen).toEqual(['s0', 's2', 's4', 's6']);
    const none = await api.call('GET', `/v1/jobs/${id}/steps?status=failed&status=waiting`);
    expect(none.json).toEqual({ data: [], next_cursor: null });
  });

  test('answers 304 to who has the same answer, and anew when a worker comes', async () => {
    const id = await storeJob(api.store, {}, [{ name: 'a', uses: 'resize' }]);
    const first = await api.call('GET', `/v1/jobs/${id}/steps`);
    expect(first.json.data[0].blocked_by).toMatchObject([{ code: 'no_worker' }]);
    const headers = { 'if-none-match': first.headers.etag as string };
    const again = await api.call('GET', `/v1/jobs/${id}/steps`, { headers });
    expect([again.status, again.text]).toEqual([304, '']);
    await storeWorker(api.store, ['resize']);
    const changed = await api.call('GET', `/v1/jobs/${id}/steps`, { headers });
    expect([changed.status, changed.json.data[0].blocked_by[0].code]).toEqual([200, 'busy']);
    await sql`delete from worker where 'resize' = any(uses)`.execute(api.store.db);
  });

  test.each([
    [`/v1/jobs/${missing}/steps`, 404, 'job_not_found'],
    ['/v1/jobs/x/steps', 404, 'job_not_found'],
    [`/v1/jobs/${missing}/steps?cursor=ajox`, 400, 'invalid_cursor'],
    [`/v1/jobs/${missing}/steps?status=done`, 400, 'invalid_query'],
    [`/v1/jobs/${missing}/steps/a`, 404, 'job_not_found'],
    [`/v1/jobs/${missing}/steps/%00`, 404, 'job_not_found'],
    [`/v1/jobs/${missing}/steps/a/log`, 404, 'job_not_found'],
    [`/v1/jobs/${missing}/steps/a?x=1`, 400, 'invalid_query'],
    [`/v1/jobs/${missing}/steps/a/log?attempt=0`, 400, 'invalid_query'],
    [`/v1/jobs/${missing}/steps/a/log?offset=-1`, 400, 'invalid_query'],
    [`/v1/jobs/${missing}/steps/a/log?offset=99999999999`, 400, 'invalid_query'],
  ])('answers %s with %i %s', async (path, status, code) => {
    const answer = await api.call('GET', path);
    expect([answer.status, answer.json.code]).toEqual([status, code]);
  });
});

describe('GET /v1/jobs/{id}/steps/{name}', () => {
  test('answers one step with what it was given and every attempt, the current one last', async () => {
    const worker = uuidv7();
    const id = await storeJob(api.store, { status: 'running', started_at: NOW }, [
      {
        name: 'a',
        status: 'running',
        attempt: 3,
        failures: 1,
        losses: 1,
        claimed_by: worker,
        with: '{"run":"x"}',
      },
    ]);
    const ended = {
      job_id: id,
      ordinal: 0,
      claim_id: uuidv7(),
      claimed_by: worker,
      started_at: NOW,
      finished_at: NOW,
    };
    const error = { code: 'exit_code', message: 'exit code 2', details: { exit_code: 2 } };
    await api.store.db
      .insertInto('attempt')
      .values([
        { ...ended, attempt: 1, outcome: 'failed', error: JSON.stringify(error) },
        { ...ended, attempt: 2, outcome: 'lost', error: null },
      ] as never)
      .execute();
    const { json } = await api.call('GET', `/v1/jobs/${id}/steps/a`);
    expect(json.with).toEqual({ run: 'x' });
    expect(json.attempts).toMatchObject([
      { attempt: 1, outcome: 'failed', error, worker, finished_at: expect.any(String) },
      { attempt: 2, outcome: 'lost', error: null },
      { attempt: 3, outcome: null, error: null, worker, started_at: expect.any(String), finished_at: null },
    ]);
  });

  test('tells how the last attempt ended once the step is over', async () => {
    const over = { status: 'failed', attempt: 1, started_at: NOW } as const;
    const timeout = JSON.stringify({ code: 'timeout', message: 'too slow' });
    const id = await storeJob(api.store, { status: 'running', started_at: NOW }, [
      { name: 'good', status: 'succeeded', attempt: 1, started_at: NOW },
      { name: 'slow', ...over, reason: 'timed_out', error: timeout },
      { name: 'lost', ...over, reason: 'claim_lost_limit' },
      { name: 'own', ...over, reason: 'timeout', error: timeout },
      { name: 'bad', status: 'failed', attempt: 1, started_at: NOW, error: '{"code":"x","message":"y"}' },
      { name: 'never', status: 'skipped' },
    ]);
    const attempts = async (name: string) =>
      (await api.call('GET', `/v1/jobs/${id}/steps/${name}`)).json.attempts;
    expect(await attempts('good')).toMatchObject([
      { attempt: 1, outcome: 'succeeded', finished_at: expect.any(String) },
    ]);
    expect(await attempts('slow')).toMatchObject([{ outcome: 'timed_out', error: { code: 'timeout' } }]);
    expect(await attempts('lost')).toMatchObject([{ outcome: 'lost' }]);
    // A code that a worker gave, which is no business of the engine.
    expect(await attempts('own')).toMatchObject([{ outcome: 'failed' }]);
    expect(await attempts('bad')).toMatchObject([{ outcome: 'failed' }]);
    expect(await attempts('never')).toEqual([]);
  });

  test('counts an attempt once while the step waits for the next', async () => {
    const id = await storeJob(api.store, { status: 'running', started_at: NOW }, [
      { name: 'a', status: 'waiting', attempt: 1, reason: 'retry_delay', wake_at: NOW, started_at: NOW },
    ]);
    const ended = { job_id: id, ordinal: 0, attempt: 1, outcome: 'failed', finished_at: NOW };
    await api.store.db
      .insertInto('attempt')
      .values(ended as never)
      .execute();
    const { json } = await api.call('GET', `/v1/jobs/${id}/steps/a`);
    expect(json.attempts).toMatchObject([{ attempt: 1, outcome: 'failed' }]);
    expect(json.blocked_by).toMatchObject([{ code: 'retry_delay' }]);
  });

  test('shows no output of a timer that still runs', async () => {
    const id = await storeJob(api.store, { status: 'running', started_at: NOW }, [
      {
        name: 'a',
        status: 'waiting',
        attempt: 1,
        reason: 'timer',
        wake_at: NOW,
        started_at: NOW,
        output: '{"later":1}',
      },
    ]);
    const { json } = await api.call('GET', `/v1/jobs/${id}/steps/a`);
    expect(json).toMatchObject({
      output: null,
      blocked_by: [{ code: 'timer' }],
      attempts: [{ outcome: null }],
    });
  });

  test('answers 404 with the name that may have been meant', async () => {
    const id = await storeJob(api.store, {}, [{ name: 'extract' }]);
    const answer = await api.call('GET', `/v1/jobs/${id}/steps/extrat`);
    expect([answer.status, answer.json.code]).toEqual([404, 'step_not_found']);
    expect(answer.json.detail).toContain('did you mean "extract"?');
    const far = await api.call('GET', `/v1/jobs/${id}/steps/q%20q`);
    expect(far.json.detail).toContain(`/v1/jobs/${id}/steps lists`);
    const long = await api.call('GET', `/v1/jobs/${id}/steps/${'a'.repeat(5_000)}`);
    expect([long.status, long.json.code]).toEqual([404, 'step_not_found']);
  });

  test('answers 304 to who has the same answer', async () => {
    const id = await storeJob(api.store);
    const first = await api.call('GET', `/v1/jobs/${id}/steps/main`);
    const headers = { 'if-none-match': first.headers.etag as string };
    expect((await api.call('GET', `/v1/jobs/${id}/steps/main`, { headers })).status).toBe(304);
    const head = await api.call('HEAD', `/v1/jobs/${id}/steps/main`);
    expect([head.status, head.text]).toEqual([200, '']);
  });
});

describe('GET /v1/jobs/{id}/steps/{name}/log', () => {
  const line = (n: number) => Buffer.from(`${String(n).padStart(7, '0')}\n`.repeat(8192));

  async function logged(status: string): Promise<string> {
    const id = await storeJob(api.store, { status: 'running', started_at: NOW }, [
      { name: 'a', status, attempt: 2, started_at: NOW },
    ]);
    const key = { job_id: id, ordinal: 0 };
    const chunks = Array.from({ length: 20 }, (_, i) => ({
      ...key,
      attempt: 2,
      start: i * 65_536,
      data: line(i),
    }));
    await api.store.db
      .insertInto('step_log')
      .values([{ ...key, attempt: 1, start: 0, data: Buffer.from('first, ü\n') }, ...chunks])
      .execute();
    return id;
  }

  test('gives the whole log of the latest attempt, and of an earlier one', async () => {
    const id = await logged('succeeded');
    const latest = await api.call('GET', `/v1/jobs/${id}/steps/a/log`);
    expect(latest.status).toBe(200);
    expect(latest.headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'holdfast-attempt': '2',
      'holdfast-attempt-ended': 'true',
      'holdfast-next-offset': String(20 * 65_536),
    });
    const all = Buffer.concat(Array.from({ length: 20 }, (_, i) => line(i))).toString();
    expect(latest.text === all).toBe(true);
    const first = await api.call('GET', `/v1/jobs/${id}/steps/a/log?attempt=1`);
    expect([first.text, first.headers['holdfast-attempt']]).toEqual(['first, ü\n', '1']);
  });

  test('goes on anywhere, also in the middle of a chunk and at the end', async () => {
    const id = await logged('running');
    const at = 3 * 65_536 + 17;
    const rest = await api.call('GET', `/v1/jobs/${id}/steps/a/log?offset=${at}`);
    expect(rest.text.length).toBe(20 * 65_536 - at);
    expect(rest.text.startsWith(line(3).subarray(17, 60).toString())).toBe(true);
    expect(rest.headers['holdfast-attempt-ended']).toBe('false');
    for (const offset of [20 * 65_536, 20 * 65_536 + 5]) {
      const end = await api.call('GET', `/v1/jobs/${id}/steps/a/log?offset=${offset}`);
      expect([end.status, end.text, end.headers['holdfast-next-offset']]).toEqual([
        200,
        '',
        String(20 * 65_536),
      ]);
    }
  });

  test('is empty before the first attempt; an attempt that was not is 404', async () => {
    const id = await storeJob(api.store);
    const none = await api.call('GET', `/v1/jobs/${id}/steps/main/log`);
    expect([none.status, none.text, none.headers['holdfast-attempt']]).toEqual([200, '', '0']);
    const first = await api.call('GET', `/v1/jobs/${id}/steps/main/log?attempt=1`);
    expect([first.status, first.json.code]).toEqual([404, 'attempt_not_found']);
    expect(first.json.detail).toContain('has not been started yet');
  });

  test('answers 404 for a step that is not there', async () => {
    const id = await storeJob(api.store);
    const answer = await api.call('GET', `/v1/jobs/${id}/steps/mian/log`);
    expect([answer.status, answer.json.code]).toEqual([404, 'step_not_found']);
  });
});
