import type { RequestListener } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { retryAfter } from '../../src/actions/http/retry-after.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { closeAll, startService, textOf } from '../support/services.ts';
import { httpAction, outputOf, runHttp } from './http-step.ts';

afterEach(closeAll);

async function service(answer: RequestListener): Promise<string> {
  return `http://127.0.0.1:${(await startService(answer)).port}`;
}

/** Answers with what it was asked, as JSON. */
const echo = () =>
  service(async (request, reply) => {
    const { method, url, headers } = request;
    reply.setHeader('content-type', 'application/json');
    reply.end(JSON.stringify({ method, url, headers, body: await textOf(request) }));
  });

describe('what http sends', () => {
  it('is a GET with a key that stays the same over attempts, and says who sends', async () => {
    const base = await echo();
    const { method, url, headers, body } = (await outputOf({ url: `${base}/rows` })).body;
    expect({ method, url, body }).toEqual({ method: 'GET', url: '/rows', body: '' });
    expect(headers['idempotency-key']).toBe('01a1fdc4-4b6c-711d-aa4d-b32854866b64/main/0');
    expect(headers['user-agent']).toBe('holdfast/test');
    expect(headers).not.toHaveProperty('content-type');
    const again = await outputOf({ url: base }, { claim: { id: 'claim-2', attempt: 3 } });
    expect(again.body.headers['idempotency-key']).toBe(headers['idempotency-key']);
    const round = await outputOf({ url: base }, { claim: { retry_round: 1 } });
    expect(round.body.headers['idempotency-key']).toMatch(/\/main\/1$/);
  });

  it.each([
    ['https://x/', {}, '/'],
    ['/a?b=c%20d&e', { f: 'g h&i' }, '/a?b=c%20d&e&f=g+h%26i'],
    ['/a#part', { f: 1 }, '/a?f=1'],
    ['/', { a: [1, 'two', true, null], b: null, c: [] }, '/?a=1&a=two&a=true'],
    ['/ä b', { ü: '→' }, '/%C3%A4%20b?%C3%BC=%E2%86%92'],
  ])('to %s with the query %j goes to %s', async (path, query, sent) => {
    const base = await echo();
    const url = path.startsWith('/') ? `${base}${path}` : base;
    expect((await outputOf({ url, query })).body.url).toBe(sent);
  });

  it.each([
    ['text', 'text/plain; charset=utf-8', 'text'],
    [{ a: 'ü' }, 'application/json', '{"a":"ü"}'],
    [[1], 'application/json', '[1]'],
    [false, 'application/json', 'false'],
    [0, 'application/json', '0'],
    ['', 'text/plain; charset=utf-8', ''],
    [null, undefined, ''],
  ])('as the body %j has the type %s', async (body, type, sent) => {
    const output = await outputOf({ url: await echo(), method: 'POST', body });
    expect(output.body.headers['content-type']).toBe(type);
    expect(output.body.body).toBe(sent);
  });

  it('has the headers that are given in place of its own', async () => {
    const output = await outputOf({
      url: await echo(),
      method: 'POST',
      body: { a: 1 },
      headers: {
        'Content-Type': 'application/merge-patch+json',
        'Idempotency-Key': 'mine',
        'USER-AGENT': 'me',
        'X-Number': 5,
        'x-flag': false,
      },
    });
    expect(output.body.headers).toMatchObject({
      'content-type': 'application/merge-patch+json',
      'idempotency-key': 'mine',
      'user-agent': 'me',
      'x-number': '5',
      'x-flag': 'false',
    });
  });
});

describe('the output of http', () => {
  const answering = (type: string | null, body: string | Buffer) =>
    service((_request, reply) => {
      if (type !== null) reply.setHeader('content-type', type);
      reply.end(body);
    });

  it.each([
    ['application/json', '{"a":[1,2.5,"x"]}', { a: [1, 2.5, 'x'] }],
    ['application/json; charset=utf-8', ' 5 ', 5],
    ['application/problem+json', '{"a":null}', { a: null }],
    ['application/vnd.api+json;x=y', '[]', []],
    ['Text/JSON', '"x"', 'x'],
    ['application/json', '\uFEFF{"a":1}', { a: 1 }],
    ['application/json', 'null', null],
    ['application/json', '{"__proto__":{"a":1}}', JSON.parse('{"__proto__":{"a":1}}')],
    ['application/json', '{"a":', '{"a":'],
    ['application/jsonp', '{"a":1}', '{"a":1}'],
    ['application/x-ndjson', '{"a":1}\n{"a":2}\n', '{"a":1}\n{"a":2}\n'],
    ['application/json', '{"id":9007199254740993}', '{"id":9007199254740993}'],
    ['application/json', '1e999', '1e999'],
    ['application/json', `${'['.repeat(100)}${']'.repeat(100)}`, `${'['.repeat(100)}${']'.repeat(100)}`],
    ['text/plain', 'größe\n', 'größe\n'],
    ['text/html', '<p>', '<p>'],
    [null, 'hello', 'hello'],
    [null, '', null],
    ['application/json', '', null],
    ['image/svg+xml', '<svg/>', '<svg/>'],
  ])('has, of the type %s, the body %j as %j', async (type, body, value) => {
    const output = await outputOf({ url: await answering(type, body) });
    expect(output).toMatchObject({ status: 200, body: value });
    expect(output).not.toHaveProperty('body_encoding');
  });

  it.each([
    ['bytes that are no text', Buffer.from([0x89, 0x50, 0xff, 0xfe])],
    ['text in Latin-1', Buffer.from('größe', 'latin1')],
    ['text with U+0000, which cannot be stored', Buffer.from('a\0b')],
  ])('has %s as base64, and says so', async (_name, body) => {
    const output = await outputOf({ url: await answering('application/octet-stream', body) });
    expect(output).toMatchObject({ body_encoding: 'base64', body: body.toString('base64') });
  });

  it('says in the log why JSON was kept as text', async () => {
    const { log } = await runHttp({ url: await answering('application/json', '{"id":9007199254740993}') });
    expect(log).toContain('the body is kept as text: as JSON it holds a number that would not be kept');
  });

  it('has the headers by small names, several as one text, cookies as a list', async () => {
    const url = await service((_request, reply) => {
      reply.writeHead(200, [
        ['X-One', 'a'],
        ['x-many', 'a'],
        ['X-Many', 'b'],
        ['Set-Cookie', 'c=d'],
      ] as unknown as string[]);
      reply.end();
    });
    expect(await outputOf({ url })).toMatchObject({
      headers: { 'x-one': 'a', 'x-many': 'a, b', 'set-cookie': ['c=d'] },
      body: null,
    });
  });

  it.each([200, 201, 204, 206, 299, 300, 304])('is there for the status %i', async (status) => {
    const url = await service((_request, reply) => reply.writeHead(status).end());
    expect(await outputOf({ url })).toMatchObject({ status });
  });

  it('is the redirect itself when none is to be followed', async () => {
    const url = await service((_request, reply) => reply.writeHead(302, { location: '/there' }).end());
    expect(await outputOf({ url, redirects: 0 })).toMatchObject({
      status: 302,
      headers: { location: '/there' },
    });
  });

  it.each([
    ['text', 'x'.repeat(LIMITS.valueBytes + 1), {}],
    ['text that grows as JSON', '\n'.repeat(LIMITS.valueBytes - 1000), {}],
    ['bytes that grow as base64', Buffer.alloc(LIMITS.valueBytes - 1000), {}],
    ['packed text', gzipSync('x'.repeat(LIMITS.valueBytes + 1)), { 'content-encoding': 'gzip' }],
  ])('that would be too large is refused for good: %s', async (_name, body, headers) => {
    const url = await service((_request, reply) => reply.writeHead(200, headers).end(body));
    const { outcome } = await runHttp({ url: `${url}/rows?key=secret` });
    expect(outcome).toMatchObject({
      kind: 'failed',
      retryable: false,
      error: {
        code: 'response_too_large',
        message: expect.stringContaining(`GET ${url}/rows?… answered 200 with more than the 262144 bytes`),
      },
    });
  });
});

describe('a failure of http', () => {
  it.each([
    [400, false],
    [401, false],
    [403, false],
    [404, false],
    [408, true],
    [409, false],
    [410, false],
    [422, false],
    [425, true],
    [429, true],
    [451, false],
    [499, false],
    [500, true],
    [501, true],
    [502, true],
    [503, true],
    [504, true],
    [599, true],
  ])('by the status %i is retryable: %s', async (status, retryable) => {
    const url = await service((_request, reply) => reply.writeHead(status).end('because'));
    const { outcome } = await runHttp({ url: `${url}/x?key=secret` });
    const message = expect.stringContaining(`GET ${url}/x?… answered ${status}`);
    const details = { status, body: 'because' };
    expect(outcome).toEqual({ kind: 'failed', retryable, error: { code: 'http_status', message, details } });
  });

  it('keeps the first 4 KB of what was said, however long it is', async () => {
    const url = await service((_request, reply) => reply.writeHead(503).end(`xy\0${'ü'.repeat(500_000)}`));
    const { outcome } = await runHttp({ url });
    if (outcome.kind !== 'failed') throw new Error('it succeeded');
    const { body } = outcome.error.details as { body: string };
    expect(outcome.retryable).toBe(true);
    // The last character would be cut in two, and is left out.
    expect(body).toBe(`xy\uFFFD${'ü'.repeat(2046)}`);
  });

  it.each([
    [429, '7', 7000],
    [503, '0', 0],
    [503, '99999999999', LIMITS.delay],
    [503, 'soon', undefined],
    [503, undefined, undefined],
    [404, '7', undefined],
  ])('by the status %i with Retry-After %s asks for %s ms', async (status, header, ms) => {
    const url = await service((_request, reply) => {
      if (header !== undefined) reply.setHeader('retry-after', header);
      reply.writeHead(status).end();
    });
    const { outcome } = await runHttp({ url });
    expect(outcome.kind === 'failed' && outcome.retry_after_ms).toBe(ms);
  });

  it('without an answer is retryable, and says why', async () => {
    const { outcome, log } = await runHttp({ url: 'http://127.0.0.1:1/x?key=secret' });
    expect(outcome).toMatchObject({
      retryable: true,
      error: {
        code: 'http_network',
        message: 'GET http://127.0.0.1:1/x?… failed: nothing listens there (ECONNREFUSED)',
        details: { cause: 'ECONNREFUSED' },
      },
    });
    expect(log).not.toContain('secret');
  });

  it('by an address that is not admitted is for good', async () => {
    const { outcome } = await runHttp({ url: 'http://10.0.0.1/' }, { action: httpAction('') });
    expect(outcome).toMatchObject({
      retryable: false,
      error: { code: 'address_not_allowed', message: expect.stringContaining('OUTBOUND_ALLOW=10.0.0.1:80') },
    });
  });

  it('by redirects is for good', async () => {
    const url = await service((request, reply) =>
      reply.writeHead(302, { location: request.url === '/file' ? 'file:///x' : '/again' }).end(),
    );
    const many = await runHttp({ url });
    expect(many.outcome).toMatchObject({ retryable: false, error: { code: 'too_many_redirects' } });
    const bad = await runHttp({ url: `${url}/file` });
    expect(bad.outcome).toMatchObject({ retryable: false, error: { code: 'bad_redirect' } });
  });

  it('by the word to stop comes at once', async () => {
    const controller = new AbortController();
    const url = await service(() => controller.abort('timeout'));
    const { outcome } = await runHttp({ url }, { signal: controller.signal });
    expect(outcome).toMatchObject({ retryable: true, error: { code: 'aborted' } });
  });
});

describe('the log of an http step', () => {
  it('has a line for each request, without headers and values of the query', async () => {
    const url = await service((request, reply) => {
      if (request.url?.startsWith('/from')) reply.writeHead(302, { location: '/to?key=secret' }).end();
      else reply.setHeader('x-token', 'secret').end('x'.repeat(2048));
    });
    const { log } = await runHttp({ url: `${url}/from`, query: { key: 'secret' }, headers: { a: 'secret' } });
    expect(log.replaceAll(/\d+ ms/g, 'n ms')).toBe(
      `GET ${url}/from?… → 302 in n ms\nGET ${url}/to?… → 200 in n ms, 2.0 KB\n`,
    );
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-11-21T11:00:00Z');
  it.each([
    ['0', 0],
    ['120', 120_000],
    [' 5 ', 5000],
    ['999999999999999', LIMITS.delay],
    ['Sat, 21 Nov 2026 11:00:30 GMT', 30_000],
    ['Saturday, 21-Nov-26 11:00:30 GMT', 30_000],
    ['Sat Nov 21 11:00:30 2026', 30_000],
    ['Sat, 21 Nov 2026 10:00:00 GMT', 0],
    ['Sat, 21 Nov 2099 10:00:00 GMT', LIMITS.delay],
    ['-5', null],
    ['1.5', null],
    ['1e3', null],
    ['2026-11-21T11:00:30Z', null],
    ['tomorrow', null],
    ['', null],
  ])('of "%s" is %s ms', (header, ms) => expect(retryAfter(header, now)).toBe(ms));

  it('is the first of several, and null when there is none', () => {
    expect(retryAfter(['3', '4'], now)).toBe(3000);
    expect(retryAfter(undefined, now)).toBeNull();
  });
});
