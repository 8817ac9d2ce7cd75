import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDatabase, createPool } from '../../src/database/connection.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { send, type TestApi, testApi } from '../support/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi({ allowedHosts: ['holdfast.example', 'only.example:8080'] });
});
afterAll(() => api.close());

const missing = '0191b0c8-5c1e-7d0a-b8a4-7a2f4f0e9b11';

describe('what no route serves', () => {
  test.each([
    ['GET', '/jobs', 'did you mean /v1/jobs?'],
    ['POST', `/jobs/${missing}/cancel`, `did you mean /v1/jobs/${missing}/cancel?`],
    ['GET', '/v1/job', 'did you mean /v1/jobs?'],
    ['POST', `/v1/jobs/${missing}/cancle`, 'did you mean'],
    ['GET', '/healthz', 'did you mean /health?'],
    ['GET', '/nothing/like/it', 'all routes are at /docs'],
    ['GET', '/', 'all routes are at /docs'],
    ['GET', `/v1/jobs/${missing}//steps`, `did you mean /v1/jobs/${missing}/steps?`],
  ])('is answered 404: %s %s', async (method, path, words) => {
    const answer = await api.call(method, path);
    expect([answer.status, answer.json.code]).toEqual([404, 'route_not_found']);
    expect(answer.json.detail).toContain(words);
    expect(answer.json.instance).toBe(path);
  });

  test.each([
    ['PUT', '/v1/jobs', 'GET, HEAD, POST'],
    ['PATCH', `/v1/jobs/${missing}`, 'DELETE, GET, HEAD'],
    ['GET', `/v1/jobs/${missing}/cancel`, 'POST'],
    ['POST', '/v1/jobs/cleanup', 'DELETE'],
    ['GET', '/v1/jobs/cleanup', 'DELETE'],
    ['GET', '/v1/jobs/validate', 'POST'],
    ['DELETE', '/v1/jobs/validate/', 'POST'],
    ['POST', '/health', 'GET, HEAD'],
    ['OPTIONS', '/v1/jobs', 'GET, HEAD, POST'],
  ])('is answered 405 with what is: %s %s', async (method, path, allow) => {
    const answer = await send(api.port, method, path);
    expect([answer.status, answer.json.code, answer.headers.allow]).toEqual([
      405,
      'method_not_allowed',
      allow,
    ]);
  });

  test('does not lose the body of a 404 or 405', async () => {
    const answer = await api.call('PUT', '/v1/jobs', { body: { name: 'x'.repeat(100_000) } });
    expect(answer.status).toBe(405);
  });
});

describe('Host and Origin', () => {
  test.each([
    'localhost',
    'LOCALHOST:3000',
    '127.0.0.1:1',
    '[::1]:3000',
    '[::1]',
    'holdfast.example:99',
    'only.example:8080',
  ])('admit the host %s', async (host) => {
    expect((await api.call('GET', '/livez', { headers: { host } })).status).toBe(200);
  });

  test.each([
    'evil.example',
    'only.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example:3000',
    '10.0.0.1',
    'a b',
  ])('refuse the host %s, naming the setting', async (host) => {
    for (const [method, path] of [
      ['GET', '/livez'],
      ['POST', '/v1/jobs'],
      ['GET', '/docs'],
      ['GET', '/nothing'],
    ]) {
      const answer = await send(api.port, method as string, path as string, { headers: { host } });
      expect([answer.status, answer.json.code]).toEqual([403, 'forbidden_host']);
      expect(answer.json.detail).toContain('ALLOWED_HOSTS');
    }
  });

  test('admit a page of the same origin only', async () => {
    const call = (origin: string, host = 'localhost:3000') =>
      api.call('GET', '/v1/jobs', { headers: { origin, host } });
    expect((await call('http://localhost:3000')).status).toBe(200);
    expect((await call('https://holdfast.example', 'holdfast.example')).status).toBe(200);
    expect((await call('http://localhost', 'localhost:80')).status).toBe(200);
    for (const origin of [
      'http://evil.example',
      'http://localhost:3001',
      'null',
      'file://',
      'chrome-extension://localhost:3000',
    ]) {
      const answer = await call(origin);
      expect([answer.status, answer.json.code], origin).toEqual([403, 'forbidden_origin']);
    }
  });
});

describe('every answer', () => {
  test('has a request id: the one of the request if it is sane', async () => {
    const given = await api.call('GET', '/livez', { headers: { 'x-request-id': 'abc-123' } });
    expect(given.headers['x-request-id']).toBe('abc-123');
    const made = await api.call('GET', '/nothing', { headers: { 'x-request-id': 'a b<script>' } });
    expect(made.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(made.json.request_id).toBe(made.headers['x-request-id']);
  });

  test('has headers that keep browsers from guessing', async () => {
    for (const path of ['/v1/jobs', '/nothing', '/docs']) {
      const { headers } = await send(api.port, 'GET', path);
      expect(headers['x-content-type-options'], path).toBe('nosniff');
      expect(headers['x-frame-options'], path).toBe('DENY');
    }
  });
});

describe('what is hardly a request', () => {
  async function raw(text: string): Promise<string> {
    return await new Promise((resolve, reject) => {
      let answer = '';
      const socket = connect(api.port, '127.0.0.1', () => socket.write(text));
      socket.on('data', (data) => {
        answer += data;
      });
      socket.on('close', () => resolve(answer));
      socket.on('error', reject);
    });
  }

  test.each([
    ['nonsense\r\n\r\n', 400, 'bad_request'],
    ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 400, 'bad_request'],
    [`GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
  ])('is answered with a problem', async (text, status, code) => {
    const answer = await raw(text);
    expect(answer).toContain(`HTTP/1.1 ${status} `);
    expect(answer).toContain('application/problem+json');
    expect(JSON.parse(answer.split('\r\n\r\n')[1] as string)).toMatchObject({ status, code });
  });

  test('is answered with a problem when its path is no URL', async () => {
    const answer = await send(api.port, 'GET', '/v1/jobs/%zz');
    expect([answer.status, answer.json.code]).toEqual([400, 'bad_request']);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.json.instance).toBe('/v1/jobs/%zz');
  });
});

describe('health', () => {
  test('is ok with what it stands on', async () => {
    const answer = await api.call('GET', '/health');
    expect(answer.status).toBe(200);
    expect(answer.json).toEqual({
      status: 'ok',
      jobs_count: 0,
      database: { kind: 'external', version: '18.4', ok: true },
      version: '0.0.0-test',
      uptime_ms: expect.any(Number),
      checks: {
        database: { ok: true, detail: 'it answers' },
        server: { ok: true, detail: 'it takes requests' },
      },
    });
    await api.call('POST', '/v1/jobs', { body: { name: 'x', uses: 'value' } });
    expect((await api.call('GET', '/health')).json.jobs_count).toBe(1);
    expect((await api.call('GET', '/readyz')).json).toEqual({ status: 'ok' });
  });

  test('says so while the server does not take requests, and when a part is not well', async () => {
    let ready = false;
    const other = await testApi({
      isReady: () => ready,
      checks: () => ({ scheduler: { ok: false, detail: 'it is not running' } }),
    });
    expect((await other.call('GET', '/readyz')).status).toBe(503);
    expect((await other.call('GET', '/livez')).status).toBe(200);
    ready = true;
    expect((await other.call('GET', '/readyz')).status).toBe(200);
    const health = await other.call('GET', '/health');
    expect([health.status, health.json.status]).toEqual([503, 'unavailable']);
    expect(health.json.checks.scheduler).toEqual({ ok: false, detail: 'it is not running' });
    await other.close();
  });
});

describe('a database that is away', () => {
  test('is 503 with Retry-After, tells nothing of it, and health says so', async () => {
    const pool = createPool({
      connection: 'postgres://nobody:secret@127.0.0.1:1/x',
      max: 1,
      applicationName: 'away',
    });
    const away = await testApi({ store: { db: createDatabase(pool), wakeUps: createWakeUps() } });
    for (const [method, path, body] of [
      ['GET', '/v1/jobs', undefined],
      ['GET', `/v1/jobs/${missing}?wait=5s`, undefined],
      ['POST', '/v1/jobs', { name: 'x', uses: 'value' }],
      ['POST', `/v1/jobs/${missing}/cancel`, undefined],
      ['GET', `/v1/jobs/${missing}/steps/a/log`, undefined],
      ['DELETE', '/v1/jobs/cleanup?days=7', undefined],
    ] as const) {
      const answer = await away.call(method, path, { body });
      expect([answer.status, answer.json.code], path).toEqual([503, 'database_unavailable']);
      expect(answer.headers['retry-after']).toBe('1');
      expect(answer.text).not.toMatch(/secret|ECONN|127\.0\.0\.1|select|node_modules/i);
    }
    const health = await away.call('GET', '/health');
    expect([health.status, health.json.jobs_count, health.json.database.ok]).toEqual([503, null, false]);
    expect((await away.call('GET', '/readyz')).status).toBe(503);
    expect((await away.call('GET', '/livez')).status).toBe(200);
    await away.close();
    await pool.end();
  });

  test('that fails in the middle says nothing of how', async () => {
    const broken = await testApi();
    await broken.database.pool.query('alter table job rename to gone');
    const answer = await broken.call('GET', '/v1/jobs');
    expect([answer.status, answer.json.code]).toEqual([500, 'internal_error']);
    expect(answer.text).not.toMatch(/relation|select|gone|node_modules|\.ts/i);
    expect(answer.json.detail).toContain(answer.json.request_id);
    await broken.close();
  });
});
