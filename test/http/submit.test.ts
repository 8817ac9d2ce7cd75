import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestApi, testApi } from '../support/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi();
});
afterAll(() => api.close());

const hello = { name: 'hello', uses: 'value', with: { said: 'hi' } };

describe('POST /v1/jobs', () => {
  test('answers 202 with the job and where it is', async () => {
    const answer = await api.call('POST', '/v1/jobs', { body: hello });

    expect(answer.status).toBe(202);
    expect(answer.headers.location).toBe(`/v1/jobs/${answer.json.id}`);
    expect(answer.headers.etag).toBe('W/"1"');
    expect(answer.json).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: 'hello',
      status: 'queued',
      reason: null,
      version: 1,
      priority: 0,
      labels: {},
      input: null,
      output: null,
      error: null,
      progress: 0,
      steps: {
        ...{ total: 1, pending: 0, ready: 1, running: 0, waiting: 0 },
        ...{ succeeded: 0, failed: 0, skipped: 0, cancelled: 0 },
      },
      created_at: expect.any(String),
      run_at: null,
      started_at: null,
      finished_at: null,
      elapsed_ms: null,
      estimated_remaining_ms: null,
    });
  });

  test('takes a content type with a charset, and white space around the JSON', async () => {
    const headers = { 'content-type': 'Application/JSON; charset=UTF-8' };
    const answer = await api.call('POST', '/v1/jobs', { headers, body: `\n ${JSON.stringify(hello)} \n` });
    expect(answer.status).toBe(202);
  });

  test('gives back what users may write, whatever it is', async () => {
    const input = {
      text: 'ünï\u2028 "x"',
      list: [null, true, 1.5, { a: [] }],
      constructor: { prototype: 1 },
    };
    const labels = { team: 'data', 'a/b': 'c:d' };
    const answer = await api.call('POST', '/v1/jobs', { body: { ...hello, input, labels, priority: -7 } });
    expect(answer.json).toMatchObject({ input, labels, priority: -7 });
  });

  test('warns of what nobody here can run, and stores the job', async () => {
    const answer = await api.call('POST', '/v1/jobs', { body: { name: 'x', uses: 'resize' } });
    expect(answer.status).toBe(202);
    expect(answer.json.warnings).toEqual([
      expect.objectContaining({ pointer: '/uses', code: 'unknown_action' }),
    ]);
    const again = await api.call('GET', `/v1/jobs/${answer.json.id}`);
    expect(again.json).not.toHaveProperty('warnings');
  });

  test('refuses a wrong definition with every thing that is wrong', async () => {
    const steps = [
      { name: 'a', uses: 'value', depends_on: ['b'] },
      { name: 'b', uses: 'value', needs: ['c'] },
    ];
    const answer = await api.call('POST', '/v1/jobs', { body: { name: 'x', steps } });
    expect(answer.status).toBe(422);
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(answer.json).toMatchObject({ code: 'invalid_definition', status: 422, instance: '/v1/jobs' });
    expect(answer.json.errors.map((error: { pointer: string }) => error.pointer)).toEqual([
      '/steps/0/depends_on',
      '/steps/1/needs/0',
    ]);
    expect(answer.json.detail).toContain('2 things are wrong');
  });

  test.each([['[]'], ['null'], ['"text"'], ['5']])(
    'refuses the body %s, which is JSON and no job',
    async (body) => {
      const answer = await api.call('POST', '/v1/jobs', {
        headers: { 'content-type': 'application/json' },
        body,
      });
      expect([answer.status, answer.json.code]).toEqual([422, 'invalid_definition']);
    },
  );
});

describe('a body that is no JSON', () => {
  const cases: [string, string | Buffer, RegExp][] = [
    ['nothing', '', /the body is empty/],
    ['white space', ' \n ', /the body is empty/],
    ['an unquoted word', '{"name": hello}', /unexpected "h" at line 1, column 10/],
    ['a comma too many', '{"name": "x",\n "steps": [],\n}', /unexpected "}" at line 3, column 1/],
    [
      'a wrong word far inside',
      `{"pad": "${'x'.repeat(500)}",\n"a": nope}`,
      /unexpected "o" at line 2, column 7/,
    ],
    ['a missing bracket', '{"name": "x"', /ends too early/],
    ['a missing quote', '{"name": "x', /ends too early/],
    ['two values', '{} {}', /unexpected "\{" at line 1, column 4/],
    ['a bare line break in a string', '{"a": "x\ny"}', /unexpected "\\n" at line 1, column 9/],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), /not UTF-8/],
  ];
  test.each(cases)('is refused with the place: %s', async (_what, body, detail) => {
    const answer = await api.call('POST', '/v1/jobs', {
      headers: { 'content-type': 'application/json' },
      body,
    });
    expect([answer.status, answer.json.code]).toEqual([400, 'invalid_json']);
    expect(answer.json.detail).toMatch(detail);
  });

  test('is refused without a body at all', async () => {
    const answer = await api.call('POST', '/v1/jobs');
    expect([answer.status, answer.json.code]).toEqual([400, 'invalid_json']);
  });

  test('is refused by its type, with how to send JSON', async () => {
    for (const type of [
      'application/x-www-form-urlencoded',
      'text/plain',
      'nonsense',
      'application/json; charset=latin1',
    ]) {
      const answer = await api.call('POST', '/v1/jobs', { headers: { 'content-type': type }, body: '{}' });
      expect([answer.status, answer.json.code], type).toEqual([415, 'unsupported_media_type']);
      expect(answer.json.detail).toMatch(/-H 'content-type: application\/json'.*curl --json/);
    }
    const form = await api.call('POST', '/v1/jobs', {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: '{}',
    });
    expect(form.json.detail).toContain('curl -d');
    const none = await api.call('POST', '/v1/jobs', { body: '{}' });
    expect([none.status, none.json.code]).toEqual([415, 'unsupported_media_type']);
  });
});

describe('a body that would not arrive as it was meant', () => {
  test.each([
    ['{"name":"x","uses":"value","input":{"id":9007199254740993}}', '/input/id', 'unsafe_number'],
    ['{"name":"x","uses":"value","input":[1e400]}', '/input/0', 'unsafe_number'],
    ['{"name":"x","uses":"value","input":{"__proto__":{"a":1}}}', '/input', 'forbidden_key'],
  ])('is refused with the place: %s', async (body, pointer, code) => {
    const answer = await api.call('POST', '/v1/jobs', {
      headers: { 'content-type': 'application/json' },
      body,
    });
    expect([answer.status, answer.json.code]).toEqual([422, 'invalid_body']);
    expect(answer.json.errors).toEqual([expect.objectContaining({ pointer, code })]);
  });

  test('is refused past 64 levels, also where it is deeper than any stack', async () => {
    for (const depth of [65, 1_000_000]) {
      const body = `{"name":"x","uses":"value","input":${'['.repeat(depth)}${']'.repeat(depth)}}`;
      const answer = await api.call('POST', '/v1/jobs', {
        headers: { 'content-type': 'application/json' },
        body,
      });
      expect([answer.status, answer.json.code]).toEqual([422, 'invalid_body']);
      expect(answer.json.errors[0].code).toBe('too_deep');
    }
  });

  test('is refused past 16 MiB, naming the limit', async () => {
    const answer = await api.call('POST', '/v1/jobs', {
      body: { ...hello, input: 'x'.repeat(16 * 1024 * 1024) },
    });
    expect([answer.status, answer.json.code]).toEqual([413, 'payload_too_large']);
    expect(answer.json.detail).toContain('16 MiB');
  });
});

describe('Idempotency-Key', () => {
  test('gives the same job for the same body, whatever the order of its keys', async () => {
    const headers = { 'idempotency-key': 'order-1' };
    const first = await api.call('POST', '/v1/jobs', {
      headers,
      body: { name: 'x', uses: 'value', input: { a: 1, b: 2 } },
    });
    const again = await api.call('POST', '/v1/jobs', {
      headers,
      body: { input: { b: 2, a: 1 }, uses: 'value', name: 'x' },
    });
    expect([first.status, first.headers['idempotency-replayed']]).toEqual([202, undefined]);
    expect([again.status, again.headers['idempotency-replayed']]).toEqual([200, 'true']);
    expect(again.json.id).toBe(first.json.id);
    expect(again.headers.location).toBe(first.headers.location);
  });

  test('refuses another body', async () => {
    const headers = { 'idempotency-key': 'order-2' };
    await api.call('POST', '/v1/jobs', { headers, body: { ...hello, input: { a: 1 } } });
    const other = await api.call('POST', '/v1/jobs', { headers, body: { ...hello, input: [['a', 1]] } });
    expect([other.status, other.json.code]).toEqual([422, 'idempotency_conflict']);
  });

  test('gives one job to twelve who submit at once', async () => {
    const headers = { 'idempotency-key': 'order-3' };
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => api.call('POST', '/v1/jobs', { headers, body: hello })),
    );
    expect(new Set(answers.map((answer) => answer.json.id)).size).toBe(1);
    expect(answers.map((answer) => answer.status).sort()).toEqual([...Array(11).fill(200), 202]);
  });

  test.each([['two words'], ['ü'], ['x'.repeat(256)], ['']])('is refused when it is %j', async (key) => {
    const answer = await api.call('POST', '/v1/jobs', {
      headers: { 'idempotency-key': Buffer.from(key).toString('latin1') },
      body: hello,
    });
    expect([answer.status, answer.json.code]).toEqual([400, 'invalid_header']);
    expect(answer.json.detail).toContain('1 to 255');
  });
});
