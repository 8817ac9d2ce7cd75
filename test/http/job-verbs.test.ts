import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestApi, testApi } from '../support/api.ts';
import { storeJob } from './stored-jobs.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi();
});
afterAll(() => api.close());

const missing = '0191b0c8-5c1e-7d0a-b8a4-7a2f4f0e9b11';
const done = [{ name: 'a', status: 'succeeded' }];
const ended = (status: string) => ({
  status,
  finished_at: sql`clock_timestamp()`,
  started_at: sql`clock_timestamp()`,
});

async function submit(): Promise<string> {
  return (await api.call('POST', '/v1/jobs', { body: { name: 'x', uses: 'value' } })).json.id;
}

describe('POST /v1/jobs/{id}/cancel', () => {
  test('ends the job with the reason given, and answers it; cancelling again changes nothing', async () => {
    const id = await submit();
    const answer = await api.call('POST', `/v1/jobs/${id}/cancel`, { body: { reason: 'wrong input' } });
    expect([answer.status, answer.headers.etag]).toEqual([200, 'W/"2"']);
    expect(answer.json).toMatchObject({
      status: 'cancelled',
      reason: 'wrong input',
      steps: { cancelled: 1 },
    });
    const again = await api.call('POST', `/v1/jobs/${id}/cancel`, { body: { reason: 'other' } });
    expect(again.json).toMatchObject({ status: 'cancelled', reason: 'wrong input', version: 2 });
  });

  test('refuses a job that ended otherwise, with its status', async () => {
    const id = await storeJob(api.store, ended('succeeded'), done);
    const answer = await api.call('POST', `/v1/jobs/${id}/cancel`);
    expect([answer.status, answer.json.code]).toEqual([409, 'job_terminal']);
    expect(answer.json.detail).toContain('succeeded');
  });

  test.each([
    [{ reason: 5 }, '/reason'],
    [{ reason: '' }, '/reason'],
    [{ reason: 'x'.repeat(501) }, '/reason'],
    [{ reason: 'a\u0000b' }, '/reason'],
    [{ reson: 'x' }, '/reson'],
    [[], ''],
  ])('refuses the body %j', async (body, pointer) => {
    const answer = await api.call('POST', `/v1/jobs/${await submit()}/cancel`, { body });
    expect([answer.status, answer.json.code]).toEqual([422, 'invalid_body']);
    expect(answer.json.errors[0].pointer).toBe(pointer);
    expect(answer.json.detail).not.toContain('must NOT');
  });
});

describe('pause, resume and retry', () => {
  test('answer the job as it then is; pause and resume do so again and again', async () => {
    const id = await submit();
    for (const [verb, status] of [
      ['pause', 'paused'],
      ['pause', 'paused'],
      ['resume', 'queued'],
      ['resume', 'queued'],
      ['cancel', 'cancelled'],
      ['retry', 'queued'],
    ]) {
      const answer = await api.call('POST', `/v1/jobs/${id}/${verb}`);
      expect([answer.status, answer.json.status], verb).toEqual([200, status]);
      expect(answer.headers.etag).toBe(`W/"${answer.json.version}"`);
    }
  });

  test.each([
    ['pause', 'job_terminal'],
    ['resume', 'job_terminal'],
    ['retry', 'job_not_retryable'],
  ])('refuse a job that succeeded: %s', async (verb, code) => {
    const id = await storeJob(api.store, ended('succeeded'), done);
    const answer = await api.call('POST', `/v1/jobs/${id}/${verb}`);
    expect([answer.status, answer.json.code]).toEqual([409, code]);
    expect(answer.json.detail).toContain('succeeded');
  });

  test('takes no body, an empty one and {}, with a content type and without', async () => {
    const id = await submit();
    const json = { 'content-type': 'application/json' };
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const ways = [
      {},
      { body: '' },
      { body: '', headers: json },
      { body: '', headers: form },
      { body: {} },
      { body: '{}' },
    ];
    for (const way of ways) {
      const answer = await api.call('POST', `/v1/jobs/${id}/pause`, way);
      expect(answer.status, JSON.stringify(way)).toBe(200);
    }
    const chunked = { headers: { 'transfer-encoding': 'chunked' }, body: '{}' };
    expect((await api.call('POST', `/v1/jobs/${id}/pause`, chunked)).status).toBe(200);
  });

  test.each([
    [
      { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'reason=x' },
      415,
      'unsupported_media_type',
    ],
    [{ body: 'x' }, 400, 'invalid_json'],
    [{ body: { reason: 'x' } }, 422, 'invalid_body'],
    [{ body: 'x'.repeat(1024 * 1024 + 1) }, 413, 'payload_too_large'],
    [{ body: { pad: 'x'.repeat(1024 * 1024) } }, 413, 'payload_too_large'],
  ])('refuses any other body', async (way, status, code) => {
    const answer = await api.call('POST', `/v1/jobs/${await submit()}/pause`, way);
    expect([answer.status, answer.json.code]).toEqual([status, code]);
  });

  test.each(['cancel', 'pause', 'resume', 'retry'])(
    'answers 404 for a job that is not there: %s',
    async (verb) => {
      for (const id of [missing, 'nonsense']) {
        const answer = await api.call('POST', `/v1/jobs/${id}/${verb}`);
        expect([answer.status, answer.json.code]).toEqual([404, 'job_not_found']);
      }
      const query = await api.call('POST', `/v1/jobs/${missing}/${verb}?reason=x`);
      expect([query.status, query.json.code]).toEqual([400, 'invalid_query']);
    },
  );
});

describe('DELETE /v1/jobs/{id}', () => {
  test('deletes a job that is over', async () => {
    const id = await storeJob(api.store, ended('failed'), done);
    const answer = await api.call('DELETE', `/v1/jobs/${id}`);
    expect([answer.status, answer.json.job_id]).toEqual([200, id]);
    expect(answer.json.message).toContain(id);
    expect((await api.call('GET', `/v1/jobs/${id}`)).status).toBe(404);
    expect((await api.call('DELETE', `/v1/jobs/${id}`)).json.code).toBe('job_not_found');
  });

  test('refuses a job that is not over, with its status', async () => {
    const answer = await api.call('DELETE', `/v1/jobs/${await submit()}`);
    expect([answer.status, answer.json.code]).toEqual([409, 'job_not_terminal']);
    expect(answer.json.detail).toContain('queued');
  });

  test('does not mind a content type without a body', async () => {
    const id = await storeJob(api.store, ended('failed'), done);
    const answer = await api.call('DELETE', `/v1/jobs/${id}`, {
      headers: { 'content-type': 'application/json' },
    });
    expect(answer.status).toBe(200);
  });
});

describe('DELETE /v1/jobs/cleanup', () => {
  test('deletes what ended long ago, after saying what it would delete', async () => {
    const old = sql`clock_timestamp() - interval '8 days'`;
    const failed = await storeJob(api.store, { ...ended('failed'), finished_at: old }, done);
    const fine = await storeJob(api.store, { ...ended('succeeded'), finished_at: old }, done);
    const fresh = await storeJob(api.store, ended('succeeded'), done);
    const would = await api.call('DELETE', '/v1/jobs/cleanup?days=7&dry_run=true');
    expect(would.json).toEqual({
      message: 'Would delete 2 jobs that ended more than 7 days ago.',
      deleted_count: 2,
      retention_days: 7,
      more: false,
    });
    const some = await api.call('DELETE', '/v1/jobs/cleanup?days=7&status=failed');
    expect(some.json).toMatchObject({
      message: 'Deleted 1 job that ended more than 7 days ago.',
      deleted_count: 1,
    });
    expect((await api.call('GET', `/v1/jobs/${failed}`)).status).toBe(404);
    expect((await api.call('GET', `/v1/jobs/${fine}`)).status).toBe(200);
    expect((await api.call('DELETE', '/v1/jobs/cleanup?days=7')).json.deleted_count).toBe(1);
    expect((await api.call('GET', `/v1/jobs/${fresh}`)).status).toBe(200);
  });

  test.each([
    ['', 'days', '`days` is missing'],
    ['?days=0', 'days', 'at least 1'],
    ['?days=3651', 'days', 'at most 3650'],
    ['?days=1.5', 'days', 'a whole number'],
    ['?days=', 'days', 'a whole number'],
    ['?days=7&status=running', 'status', 'one of succeeded, failed, cancelled'],
    ['?days=7&dry_run=yes', 'dry_run', 'true or false'],
    ['?day=7&days=7', 'day', 'did you mean `days`?'],
  ])('refuses %s', async (query, name, words) => {
    const answer = await api.call('DELETE', `/v1/jobs/cleanup${query}`);
    expect([answer.status, answer.json.code]).toEqual([400, 'invalid_query']);
    expect(answer.json.errors[0].pointer.split('/')[1]).toBe(name);
    expect(answer.json.detail).toContain(words);
  });
});
