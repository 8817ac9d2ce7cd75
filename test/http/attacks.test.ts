import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderTemplate } from '../../src/domain/expression/evaluate.ts';
import { type TestApi, testApi } from '../support/api.ts';
import { sendRaw } from '../support/raw.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi({ allowedHosts: ['holdfast.example'] });
});
afterAll(() => api.close());

const value = { name: 'x', uses: 'value' };

describe('what stands in a path', () => {
  it.each([
    '..%2f..%2fetc%2fpasswd',
    '%2e%2e',
    '%00',
    'a%0d%0aset-cookie:%20x=1',
    '%c0%af',
    '%27%20or%201=1--',
    '__proto__',
    'constructor',
    '%F0%9F%92%A5',
    'a'.repeat(15_000),
  ])('is the id of nothing, and is told back as data: %s', async (id) => {
    for (const [method, path] of [
      ['GET', `/v1/jobs/${id}`],
      ['DELETE', `/v1/jobs/${id}`],
      ['POST', `/v1/jobs/${id}/cancel`],
      ['GET', `/v1/jobs/${id}/steps/${id}/log`],
      ['POST', `/v1/claims/${id}/complete`],
      ['DELETE', `/v1/workers/${id}`],
      ['GET', `/problems/${id}`],
      ['GET', `/docs/static/${id}`],
      ['GET', `/${id}`],
    ] as const) {
      if (path.length > 16_000) continue;
      const raw = await sendRaw(
        api.port,
        `${method} ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`,
      );
      expect([400, 404, 405], `${method} ${path.slice(0, 60)}`).toContain(raw.status);
      expect(raw.head).toContain('application/problem+json');
      expect(raw.head).not.toContain('set-cookie');
      expect(raw.text).not.toMatch(/root:|node_modules|\.ts:\d|select /i);
    }
  });
});

describe('what stands in a header', () => {
  it('never decides where a job is said to be', async () => {
    const headers = {
      host: 'holdfast.example',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
      forwarded: 'host=evil.example',
      'x-original-url': '/v1/workers',
      'x-http-method-override': 'DELETE',
    };
    const { status, headers: answered, text } = await api.call('POST', '/v1/jobs', { body: value, headers });
    expect(status).toBe(202);
    expect(answered.location).toMatch(/^\/v1\/jobs\/[0-9a-f-]{36}$/);
    expect(text).not.toContain('evil');
  });

  it('is given back only when it is an id, or in the text of a problem', async () => {
    for (const id of ['a\tb', 'a,b', '<b>', '\u00ff', 'x'.repeat(129), '$(id)']) {
      const raw = await sendRaw(
        api.port,
        `GET /livez HTTP/1.1\r\nhost: localhost\r\nx-request-id: ${id}\r\nconnection: close\r\n\r\n`,
      );
      expect(raw.head).toMatch(/x-request-id: [0-9a-f-]{36}\r?\n/);
    }
    for (const key of ['a b', '\u00ff', 'x'.repeat(256)]) {
      const answer = await api.call('POST', '/v1/jobs', { body: value, headers: { 'idempotency-key': key } });
      expect([answer.status, answer.json.code]).toEqual([400, 'invalid_header']);
    }
  });

  it('with a line break in it is no request', async () => {
    for (const broken of [
      'x-a: b\rset-cookie: c',
      'x-a: b\0c',
      'x a: b',
      'x-a : b',
      ' x: y',
      'x-a\u0000: b',
    ]) {
      const raw = await sendRaw(api.port, `GET /livez HTTP/1.1\r\nhost: localhost\r\n${broken}\r\n\r\n`);
      expect(raw.status, JSON.stringify(broken)).toBe(400);
    }
  });
});

describe('a page in a browser', () => {
  it('is refused whatever the method, and as a web socket', async () => {
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']) {
      for (const header of [
        'origin: http://evil.example',
        'sec-fetch-site: cross-site',
        'host: evil.example',
      ]) {
        const host = header.startsWith('host') ? '' : 'host: localhost\r\n';
        for (const more of [
          '',
          'upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: eA==\r\n',
        ]) {
          const connection = more === '' ? 'close' : 'upgrade, close';
          const raw = await sendRaw(
            api.port,
            `${method} /v1/jobs HTTP/1.1\r\n${host}${header}\r\n${more}connection: ${connection}\r\ncontent-length: 0\r\n\r\n`,
          );
          expect(raw.status, `${method} ${header} ${more}`).toBe(403);
          expect(raw.head).not.toContain('access-control-');
        }
      }
    }
  });
});

describe('the prototype of objects', () => {
  it('is changed by no body and read by no expression', async () => {
    const hostile = [
      '{"name":"x","uses":"value","__proto__":{"polluted":1}}',
      '{"name":"x","uses":"value","with":{"constructor":{"prototype":{"polluted":1}}}}',
      '{"name":"x","uses":"value","labels":{"__proto__":"polluted"}}',
      '{"name":"x","steps":[{"name":"constructor","uses":"value"},{"name":"__proto__","uses":"value","needs":["constructor"]}]}',
      '{"name":"x","uses":"value","input":{"\\u005f_proto__":{"polluted":1}}}',
    ];
    for (const body of hostile) {
      const answer = await api.call('POST', '/v1/jobs', {
        body,
        headers: { 'content-type': 'application/json' },
      });
      expect([202, 422]).toContain(answer.status);
      expect(answer.status === 422, body).toBe(/(?<!"name":")(__|\\u005f_)proto__/.test(body));
    }
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    const scope = { job: { id: 'j' }, input: { a: { b: 1 }, t: 'x', l: [1] }, steps: {}, needs: [] };
    for (const read of [
      'a.constructor',
      'a.__proto__',
      't.constructor',
      'l.length',
      'a["toString"]',
      't["length"]',
    ]) {
      expect(renderTemplate(`\${{ input.${read} }}`, scope), read).toMatchObject({ ok: false });
    }
  });
});
