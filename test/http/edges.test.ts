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
    'localhost.',
    '127.0.0.2:3000',
    '[0:0:0:0:0:0:0:1]',
    'holdfast.example:99',
    'HOLDFAST.example.',
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
    '169.254.169.254',
    '0.0.0.0',
    'evil.localhost',
    'localhost@evil.example',
    'evil@localhost',
    'localhost,evil.example',
    'localhost:80:80',
    'localhost%00',
    'only.example:80',
    '::1',
    '[::2]',
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

describe('the request of a page in a browser', () => {
  const from = (headers: Record<string, string>, method = 'GET', path = '/v1/jobs') =>
    api.call(method, path, { headers });
  const link = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };

  test('is refused by Sec-Fetch-Site when another site made it, also where browsers send no Origin', async () => {
    for (const site of ['cross-site', 'same-site', 'what comes next']) {
      for (const headers of [
        { 'sec-fetch-site': site },
        { 'sec-fetch-site': site, 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' },
        { ...link, 'sec-fetch-site': site, 'sec-fetch-dest': 'iframe' },
      ]) {
        const answer = await from(headers);
        expect([answer.status, answer.json.code]).toEqual([403, 'forbidden_origin']);
      }
    }
    const posted = await from(link, 'POST', `/v1/jobs/${missing}/cancel`);
    expect([posted.status, posted.json.code]).toEqual([403, 'forbidden_origin']);
  });

  test('is served when it is our own, typed in, or a link that somebody followed', async () => {
    for (const headers of [{ 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'none' }, link]) {
      expect((await from(headers)).status).toBe(200);
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
    for (const path of [
      '/v1/jobs',
      '/nothing',
      '/openapi.json',
      '/docs',
      '/docs/static/swagger-ui.css',
      '/',
    ]) {
      const { headers } = await send(api.port, 'GET', path);
      expect(headers, path).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        'cross-origin-resource-policy': 'same-origin',
        'cross-origin-opener-policy': 'same-origin',
      });
      expect(headers['content-security-policy'], path).toMatch(
        /^default-src 'none'; .*frame-ancestors 'none'/,
      );
      expect(headers, path).not.toHaveProperty('server');
      expect(headers, path).not.toHaveProperty('x-powered-by');
    }
  });

  test('lets nothing run in a browser but the scripts of /docs, which come from here', async () => {
    const policyOf = async (path: string) =>
      (await send(api.port, 'GET', path, { headers: { accept: 'text/html' } })).headers[
        'content-security-policy'
      ];
    expect(await policyOf('/docs')).toContain("script-src 'self';");
    expect(await policyOf('/docs')).not.toContain('unsafe');
    for (const path of ['/', '/v1/jobs', '/problems', '/nothing'])
      expect(await policyOf(path)).not.toContain('script');
    // A script in the page itself would not run; the page has none.
    const page = (await send(api.port, 'GET', '/docs')).text;
    expect(page).not.toMatch(/<script>|<style|style=|\son\w+=/);
  });

  test('gives back what users wrote as data, never as a page', async () => {
    const html = '<script>alert(1)</script>';
    const headers = { accept: 'text/html' };
    const { json } = await api.call('POST', '/v1/jobs', { body: { name: html, uses: 'value', with: html } });
    for (const path of [
      `/v1/jobs/${json.id}?include=steps`,
      `/v1/jobs/${json.id}/steps/main`,
      `/v1/jobs/${json.id}/steps/main/log`,
      `/v1/jobs?name=${encodeURIComponent(html)}`,
      `/v1/jobs/${encodeURIComponent(html)}`,
      `/problems/${encodeURIComponent(html)}`,
      `/${encodeURIComponent(html)}`,
      `/docs/static/${encodeURIComponent(html)}`,
    ]) {
      const answer = await send(api.port, 'GET', path, { headers });
      expect(answer.headers['content-type'], path).toMatch(/^(application\/(problem\+)?json|text\/plain);/);
      expect(answer.headers['x-content-type-options'], path).toBe('nosniff');
    }
    await api.call('POST', `/v1/jobs/${json.id}/cancel`);
    await api.call('DELETE', `/v1/jobs/${json.id}`);
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
