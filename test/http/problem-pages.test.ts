import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXAMPLE_CLAIM_ID, EXAMPLE_WORKER_ID } from '../../src/contract/claim.ts';
import { EXAMPLE_JOB_ID } from '../../src/contract/example-job.ts';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { parseClaimId } from '../../src/domain/claim-id.ts';
import type { ErrorCode } from '../../src/domain/errors.ts';
import { exampleProblem, PROBLEMS } from '../../src/http/problem-details.ts';
import { EXAMPLE_REQUEST_ID, PROBLEM_EXAMPLES } from '../../src/http/problem-examples.ts';
import { type Anything, type CallOptions, send, type TestApi, testApi } from '../support/api.ts';
import { storeJob } from './stored-jobs.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi();
});
afterAll(() => api.close());

const html = { accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8' };
const codes = Object.keys(PROBLEMS) as ErrorCode[];
const get = (path: string, headers: Record<string, string> = {}) => send(api.port, 'GET', path, { headers });

describe('the type of a problem document', () => {
  test('leads to a page that tells people what it means and what to do', async () => {
    const problem = await api.call('GET', '/v1/jobs?limit=0');
    expect(problem.json.type).toBe('/problems/invalid_query');
    const { pathname } = new URL(problem.json.type, `http://127.0.0.1:${api.port}/v1/jobs?limit=0`);

    const page = await get(pathname, html);
    expect(page.status).toBe(200);
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    for (const text of [
      'invalid_query',
      '400 Bad Request',
      'What it means',
      'What to do',
      'href="/problems"',
    ])
      expect(page.text).toContain(text);
  });

  test.each(codes)('%s has a page in two forms, with its example', async (code) => {
    const [page, text] = [await get(`/problems/${code}`, html), await get(`/problems/${code}`)];
    expect([page.status, text.status]).toEqual([200, 200]);
    expect(text.headers).toMatchObject({ 'content-type': 'text/markdown; charset=utf-8', vary: 'accept' });
    const [, block = ''] = /```\n([\s\S]*?)\n```/.exec(text.text) ?? [];
    expect(JSON.parse(block)).toEqual(exampleProblem(code));
    expect(page.text).toContain(PROBLEMS[code].title);
    expect(text.text).toContain(PROBLEMS[code].title);
    // What one form says, the other says too.
    const words = (body: string) => body.replaceAll(/<[^>]*>|&\w+;|\W/g, '');
    expect(words(page.text)).toContain(words(PROBLEM_EXAMPLES[code].detail.replaceAll(/[<>&"']/g, '')));
  });
});

describe('the pages', () => {
  test('list every code by its status', async () => {
    const page = await get('/problems', html);
    for (const code of codes) expect(page.text).toContain(`<a href="/problems/${code}">`);
    const { text } = await get('/problems');
    for (const code of codes)
      expect(text).toMatch(new RegExp(`^- http://[^ ]+/problems/${code} +[A-Z]`, 'm'));
    const statuses = [...text.matchAll(/^## (\d+) \w/gm)].map(([, status]) => Number(status));
    expect(statuses).toEqual([...statuses].sort());
    expect(new Set(statuses).size).toBe(statuses.length);
  });

  test.each(['/', '/problems', '/problems/invalid_json'])(
    '%s is complete in itself and runs nothing',
    async (path) => {
      const page = await get(path, html);
      const [, style = ''] = /<style>([\s\S]*)<\/style>/.exec(page.text) ?? [];
      const hash = createHash('sha256').update(style).digest('base64');
      const policy = page.headers['content-security-policy'] ?? '';
      expect(policy).toMatch(/^default-src 'none'; /);
      expect(policy).toContain(`style-src 'sha256-${hash}'`);
      expect(policy).not.toContain('unsafe');
      expect(page.text).not.toMatch(/<script|<img|<link|\ssrc=|\sstyle=|\son\w+=|="https?:/);
    },
  );

  test('name the nearest code where there is none', async () => {
    const answer = await api.call('GET', '/problems/job_not_fund', { headers: html });
    expect(answer.status).toBe(404);
    expect(answer.json).toMatchObject({ code: 'problem_not_found', type: '/problems/problem_not_found' });
    const far = await api.call('GET', '/problems/%3Cscript%3E');
    expect(far.json.detail).toMatch(
      /^there is no problem "<script>"; all are at \/problems\. Codes of steps/,
    );
    expect((await api.call('GET', '/problems/toString')).status).toBe(404);
  });

  test('answer HEAD, and refuse what hosts and origins are refused', async () => {
    expect((await send(api.port, 'HEAD', '/problems/invalid_json')).status).toBe(200);
    for (const path of ['/', '/problems', '/problems/invalid_json', '/schemas/job.json']) {
      expect((await get(path, { host: 'evil.example' })).status, path).toBe(403);
      expect((await get(path, { origin: 'https://evil.example' })).status, path).toBe(403);
    }
  });
});

describe('GET /', () => {
  test('tells a browser and curl where everything is, and every link leads somewhere', async () => {
    const page = await get('/', html);
    expect(page.status).toBe(200);
    const paths = [...page.text.matchAll(/href="([^"]+)"/g)].map(([, path]) => path as string);
    expect(paths).toEqual(
      expect.arrayContaining([
        '/docs',
        '/openapi.json',
        '/v1/jobs',
        '/health',
        '/schemas/job.json',
        '/problems',
      ]),
    );
    for (const path of paths) expect((await get(path)).status, path).toBe(200);

    const { text, headers } = await get('/', { accept: '*/*' });
    expect(headers['content-type']).toBe('text/markdown; charset=utf-8');
    for (const path of paths) expect(text).toContain(`- http://127.0.0.1:${api.port}${path} `);
    expect(text).toContain(`  'http://127.0.0.1:${api.port}/v1/jobs?wait=10s'`);
  });
});

// How each example comes about. The server's part is real; only what cannot be had on purpose is left out below.
const hello = { name: 'hello', uses: 'value' };
const chain = {
  name: 'x',
  steps: [
    { name: 'a', uses: 'value' },
    { name: 'b', uses: 'value', need: ['a'] },
  ],
};
const withKey = (key: string, body: unknown): CallOptions => ({ body, headers: { 'idempotency-key': key } });
const PROVOKED: Partial<Record<ErrorCode, CallOptions>> = {
  bad_request: {},
  invalid_json: { body: '{"name": "hello"}}', headers: { 'content-type': 'application/json' } },
  invalid_yaml: {
    body: 'name: hello\nuses: value\n\twith: {}\n',
    headers: { 'content-type': 'application/yaml' },
  },
  invalid_toml: { body: 'name = "hello"\nuses = value\n', headers: { 'content-type': 'application/toml' } },
  invalid_query: {},
  invalid_header: withKey('two words', hello),
  invalid_cursor: {},
  invalid_definition: { body: chain },
  invalid_body: { body: { why: 'wrong input' } },
  job_not_found: {},
  step_not_found: {},
  attempt_not_found: {},
  problem_not_found: {},
  route_not_found: {},
  method_not_allowed: { body: {} },
  job_terminal: {},
  job_not_terminal: {},
  job_not_retryable: {},
  worker_not_found: { body: { worker_id: EXAMPLE_WORKER_ID } },
  worker_is_server: {},
  claim_not_found: { body: {} },
  claim_lost: { body: {} },
  claim_settled: { body: { error: { message: 'it went wrong' } } },
  expected_offset: { body: 'line 9\n', headers: { 'content-type': 'text/plain' } },
  payload_too_large: { body: { reason: 'x'.repeat(1024 * 1024) } },
  unsupported_media_type: {
    body: 'name=hello',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  },
  forbidden_host: { headers: { host: 'jobs.example:3000' } },
  forbidden_origin: { headers: { host: 'localhost:3000', origin: 'https://elsewhere.example' } },
};

describe('the examples', () => {
  const clean = async () => {
    for (const table of ['step', 'job', 'worker', 'step_log'] as const)
      await api.store.db.deleteFrom(table).execute();
  };
  const theJob = (fields: Anything = {}, step: Anything = {}) =>
    storeJob(api.store, { id: EXAMPLE_JOB_ID, ...fields }, [{ name: 'extract', ...step }]);
  const theServer = () => {
    const server = { id: EXAMPLE_WORKER_ID, kind: 'server', name: 'media-3:4711', version: '0' } as const;
    return api.store.db
      .insertInto('worker')
      .values({ ...server, uses: [], slots: 4 })
      .execute();
  };
  /** The step `publish` of the job, with the claim of the examples. */
  const theClaim = async (status: 'running' | 'succeeded' | 'failed') => {
    const { claim_id } = parseClaimId(EXAMPLE_CLAIM_ID) ?? {};
    const reason = status === 'failed' ? 'claim_lost_limit' : null;
    const started = { attempt: 1, started_at: new Date(), claim_id, claimed_by: EXAMPLE_WORKER_ID };
    const publish = { name: 'publish', status, reason, ...started };
    await storeJob(api.store, { id: EXAMPLE_JOB_ID }, [{ name: 'extract' }, publish]);
    const log = { job_id: EXAMPLE_JOB_ID, ordinal: 1, attempt: 1, start: 0, data: Buffer.alloc(80, 'x') };
    await api.store.db.insertInto('step_log').values(log).execute();
  };
  const CLAIMS: Partial<Record<string, Parameters<typeof theClaim>[0]>> = {
    ...{ claim_lost: 'failed', claim_settled: 'succeeded', expected_offset: 'running' },
  };
  const over = { status: 'cancelled', reason: 'job_cancelled', finished_at: new Date() };

  test.each(Object.entries(PROVOKED))('of %s is what the server says', async (code, options) => {
    await clean();
    if (code === 'job_terminal') await theJob(over, over);
    else if (CLAIMS[code]) await theClaim(CLAIMS[code]);
    else if (code !== 'job_not_found') await theJob();
    if (code === 'worker_is_server') await theServer();
    const example = exampleProblem(code as ErrorCode);
    const [method = '', path = ''] = PROBLEM_EXAMPLES[code as ErrorCode].asked.split(' ');
    const { status, json } = await api.call(method, path, options);
    expect({ ...json, request_id: EXAMPLE_REQUEST_ID }).toEqual(example);
    expect(status).toBe(example.status);
  });

  test('of idempotency_conflict is what the server says', async () => {
    const key = 'nightly-2026-11-20';
    const first = await api.call('POST', '/v1/jobs', withKey(key, hello));
    const { json } = await api.call('POST', '/v1/jobs', withKey(key, { ...hello, name: 'other' }));
    expect({ ...json, detail: json.detail.replace(first.json.id, EXAMPLE_JOB_ID) }).toEqual({
      ...exampleProblem('idempotency_conflict'),
      request_id: json.request_id,
    });
  });

  test('of headers_too_large is what the server says', async () => {
    const answer = await new Promise<string>((resolve) => {
      const socket = connect(api.port, '127.0.0.1');
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(text));
      socket.write(`GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`);
    });
    const { detail, status } = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')));
    expect({ detail, status }).toEqual({ detail: PROBLEM_EXAMPLES.headers_too_large.detail, status: 431 });
  });

  test('of a database that is away and of a bug are what the server says', async () => {
    const away = { db: api.store.db, wakeUps: createWakeUps() };
    const failing = (error: Error): Store => ({
      ...away,
      get db(): never {
        throw error;
      },
    });
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    for (const [code, error] of [
      ['database_unavailable', refused],
      ['internal_error', new Error('a bug')],
    ] as const) {
      const other = await testApi({ store: failing(error) });
      const headers = { 'x-request-id': EXAMPLE_REQUEST_ID };
      expect((await other.call('GET', '/v1/jobs', { headers })).json).toEqual(exampleProblem(code));
      await other.close();
    }
  });

  test('leave out only what cannot be provoked here', () => {
    const elsewhere = ['idempotency_conflict', 'headers_too_large', 'database_unavailable', 'internal_error'];
    // The first takes minutes, the second shows while a server stops, the others take thousands of requests:
    // test/http/edges, test/server/shutdown, test/engine/remote-asks and test/proof/overload.
    const left = ['request_timeout', 'shutting_down', 'too_many_waiting', 'overloaded'];
    expect([...Object.keys(PROVOKED), ...elsewhere, ...left].sort()).toEqual([...codes].sort());
  });
});
