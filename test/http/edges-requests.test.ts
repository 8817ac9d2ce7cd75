import type { FastifyRequest } from 'fastify';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import { createHostCheck } from '../../src/http/host-check.ts';
import { send, type TestApi, testApi } from '../support/api.ts';
import { answerOf, open, sendRaw } from '../support/raw.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi({ allowedHosts: ['holdfast.example'] });
});
afterAll(() => api.close());

const missing = '0191b0c8-5c1e-7d0a-b8a4-7a2f4f0e9b11';
const get = (target: string, ...headers: string[]) =>
  `GET ${target} HTTP/1.1\r\n${[...headers, 'Connection: close'].join('\r\n')}\r\n\r\n`;
const post = (path: string, ...headers: string[]) =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers.join('\r\n')}\r\n\r\n`;

/** Sends bytes and expects a problem document in return, and the connection closed. */
async function problem(text: string): Promise<[number, string]> {
  const answer = await sendRaw(api.port, text);
  expect(answer.problem, answer.text).toMatchObject({ status: answer.status, detail: expect.any(String) });
  expect(answer.head).toContain('x-content-type-options: nosniff');
  expect(answer.head).toContain(`x-request-id: ${answer.problem.request_id}`);
  return [answer.status, answer.problem.code];
}

describe('what is hardly a request', () => {
  test.each([
    ['nonsense\r\n\r\n', 'https to a server that speaks http'],
    ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 'https to a server that speaks http'],
    ['GET / HTTP/3.0\r\nHost: localhost\r\n\r\n', 'version'],
    ['GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n', 'HTTP/1.1'],
    ['GET /\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n', 'url'],
    ['GET / HTTP/1.1\r\nHost: local\0host\r\n\r\n', 'header'],
    [post('/v1/jobs', 'Content-Length: -1'), 'Content-Length'],
    [post('/v1/jobs', 'Content-Length: 1', 'Content-Length: 2'), 'Content-Length'],
    [post('/v1/jobs', 'Content-Length: 2', 'Transfer-Encoding: chunked'), 'Transfer-Encoding'],
    [`${post('/v1/jobs', 'Transfer-Encoding: chunked')}zz\r\n`, 'chunk'],
  ])('is answered with a problem that says what is wrong: %j', async (text, words) => {
    const answer = await sendRaw(api.port, text);
    expect([answer.status, answer.problem.code]).toEqual([400, 'bad_request']);
    expect(answer.problem.detail).toContain(words);
  });

  test('is answered with a problem when its path is no URL', async () => {
    const answer = await send(api.port, 'GET', '/v1/jobs/%zz');
    expect([answer.status, answer.json.code]).toEqual([400, 'bad_request']);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.json.instance).toBe('/v1/jobs/%zz');
  });
});

describe('the head of a request', () => {
  it('may be as long as 16 KiB and have 100 headers, and no more', async () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => `X-${index}: y`);
    // Host and Connection are two of them.
    expect((await sendRaw(api.port, get('/livez', 'Host: localhost', ...many(97)))).status).toBe(200);
    expect(await problem(get('/livez', 'Host: localhost', ...many(101)))).toEqual([431, 'headers_too_large']);
    const long = (bytes: number) => get('/livez', 'Host: localhost', `X: ${'y'.repeat(bytes)}`);
    expect((await sendRaw(api.port, long(16_000))).status).toBe(200);
    expect(await problem(long(LIMITS.headerBytes))).toEqual([431, 'headers_too_large']);
    expect(await problem(get(`/${'a'.repeat(LIMITS.headerBytes)}`, 'Host: localhost'))).toEqual([
      431,
      'headers_too_large',
    ]);
  });

  it('needs one Host in HTTP/1.1, and may do without in HTTP/1.0', async () => {
    expect(await problem(get('/livez'))).toEqual([400, 'bad_request']);
    expect(await problem(get('/livez', 'Host:'))).toEqual([400, 'bad_request']);
    expect(await problem(get('/livez', 'Host: localhost', 'Host: localhost'))).toEqual([400, 'bad_request']);
    expect(await problem(get('/livez', 'Host: localhost', 'host: evil.example'))).toEqual([
      400,
      'bad_request',
    ]);
    expect((await sendRaw(api.port, 'GET /livez HTTP/1.0\r\n\r\n')).status).toBe(200);
    const page = await sendRaw(api.port, 'GET /livez HTTP/1.0\r\nOrigin: http://localhost\r\n\r\n');
    expect(page.problem.code).toBe('forbidden_origin');
  });

  it('may name the whole URL, whose host counts as much as the header', async () => {
    expect((await sendRaw(api.port, get('http://localhost/livez', 'Host: localhost'))).status).toBe(200);
    expect((await sendRaw(api.port, get('http://HOLDFAST.example', 'Host: holdfast.example'))).status).toBe(
      200,
    );
    const away = await sendRaw(api.port, get('http://localhost/nothing?a', 'Host: localhost'));
    expect(away.problem).toMatchObject({ code: 'route_not_found', instance: '/nothing' });
    for (const host of ['evil.example', 'localhost']) {
      const [status] = await problem(get('http://evil.example/docs/static/index.html', `Host: ${host}`));
      expect(status).toBe(host === 'localhost' ? 400 : 403);
    }
    expect(await problem(get('http://localhost/livez', 'Host: evil.example'))).toEqual([400, 'bad_request']);
  });

  it('may name the address that it reached: no name can be made to stand there', () => {
    const check = createHostCheck([]);
    const to = (host: string, localAddress: string) => () =>
      check({
        headers: { host },
        raw: { rawHeaders: ['Host', host], httpVersion: '1.1' },
        originalUrl: '/',
        socket: { localAddress },
      } as unknown as FastifyRequest);
    expect(to('192.168.7.5:3000', '192.168.7.5')).not.toThrow();
    expect(to('192.168.7.5', '::ffff:192.168.7.5')).not.toThrow();
    expect(to('[FD00:0::5]:3000', 'fd00::5')).not.toThrow();
    expect(to('192.168.7.6', '192.168.7.5')).toThrow('ALLOWED_HOSTS=192.168.7.6');
    expect(to('lan.example', '192.168.7.5')).toThrow('ALLOWED_HOSTS=lan.example');
  });

  it('is no way to a proxy or to another protocol', async () => {
    const answer = await sendRaw(api.port, 'CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect([answer.status, answer.problem.code]).toEqual([405, 'method_not_allowed']);
    expect(answer.head).toContain('allow: get, head, post, delete');
    expect(await problem('TRACE /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')).toEqual([
      405,
      'method_not_allowed',
    ]);
    const upgrade = [
      'Host: localhost',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
    ];
    expect((await sendRaw(api.port, get('/livez', ...upgrade))).status).toBe(200);
    const foreign = await sendRaw(api.port, get('/livez', ...upgrade, 'Origin: http://evil.example'));
    expect(foreign.problem.code).toBe('forbidden_origin');
  });
});

describe('Expect', () => {
  const asks = (...headers: string[]) => post('/v1/jobs', 'Expect: 100-continue', ...headers);

  it('of a body that will be read is met', async () => {
    const socket = await open(api.port);
    const body = JSON.stringify({ name: 'asked first', uses: 'value' });
    socket.write(asks(`Content-Length: ${body.length}`, 'Connection: close'));
    socket.once('data', () => socket.write(body));
    const { text } = await answerOf(socket);
    expect(text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 202 /);
  });

  it('of a body that will not be read is answered at once, without asking for it', async () => {
    expect(await problem(asks(`Content-Length: ${LIMITS.submitBodyBytes + 1}`))).toEqual([
      413,
      'payload_too_large',
    ]);
    expect(await problem(asks('Content-Length: 9').replace('localhost', 'evil.example'))).toEqual([
      403,
      'forbidden_host',
    ]);
  });

  it('of anything else is refused', async () => {
    expect(await problem(get('/livez', 'Host: localhost', 'Expect: tea'))).toEqual([400, 'invalid_header']);
  });
});

describe('a body', () => {
  const cancel = `/v1/jobs/${missing}/cancel`;
  /** JSON of exactly so many bytes. */
  const filled = (bytes: number) => JSON.stringify({ reason: 'x'.repeat(bytes - 13) });

  test.each([
    ['/v1/jobs', LIMITS.submitBodyBytes],
    [cancel, LIMITS.bodyBytes],
  ])('of %s may be as large as its limit and no larger, in one piece or in chunks', async (path, limit) => {
    for (const encoding of [{}, { 'transfer-encoding': 'chunked' }] as Record<string, string>[]) {
      const headers = { 'content-type': 'application/json', ...encoding };
      const fits = await send(api.port, 'POST', path, { headers, body: filled(limit) });
      expect(fits.json.code).not.toBe('payload_too_large');
      const over = await send(api.port, 'POST', path, { headers, body: filled(limit + 1) });
      expect([over.status, over.json.code]).toEqual([413, 'payload_too_large']);
      expect(over.json.detail).toContain(`${limit / 1024 / 1024} MiB`);
    }
  });

  it('that is shorter than it says is no request, and what follows one is the next', async () => {
    const socket = await open(api.port);
    socket.end(`${post('/v1/jobs', 'Content-Length: 100')}{}`);
    expect((await answerOf(socket)).problem).toMatchObject({ status: 400, code: 'bad_request' });
    const two = await sendRaw(
      api.port,
      `${post(cancel, 'Content-Length: 2')}{}${get('/nothing', 'Host: localhost')}`,
    );
    expect(two.text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 404', 'HTTP/1.1 404']);
    expect(two.problem.code).toBe('route_not_found');
  });

  it('that breaks after its answer ends the connection, without a second answer', async () => {
    const socket = await open(api.port);
    socket.write(post('/v1/jobs', 'Transfer-Encoding: chunked').replace('application/json', 'text/plain'));
    socket.once('data', () => socket.write('no chunk\r\n'));
    expect((await answerOf(socket)).text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 415']);
  });

  it('in a content encoding is refused by name: nothing is unpacked here', async () => {
    for (const path of ['/v1/jobs', cancel]) {
      const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
      const answer = await api.call('POST', path, { headers, body: '{}' });
      expect([answer.status, answer.json.code]).toEqual([415, 'unsupported_media_type']);
      expect(answer.json.detail).toContain('gzip');
    }
    const chunked = `${post(cancel, 'Transfer-Encoding: gzip, chunked', 'Connection: close')}2\r\n{}\r\n0\r\n\r\n`;
    expect(await problem(chunked)).toEqual([400, 'bad_request']);
    const plain = { 'content-type': 'application/json', 'content-encoding': 'identity' };
    expect((await api.call('POST', cancel, { headers: plain, body: '{}' })).status).toBe(404);
  });

  it('may nest as deep as the limit and no deeper', async () => {
    const nested = (levels: number) => `${'['.repeat(levels)}1${']'.repeat(levels)}`;
    const submit = (levels: number) =>
      api.call('POST', '/v1/jobs', {
        headers: { 'content-type': 'application/json' },
        body: `{"name":"deep","uses":"value","with":${nested(levels)}}`,
      });
    // The object around it is the first level.
    expect((await submit(LIMITS.jsonDepth - 1)).status).toBe(202);
    const deep = await submit(LIMITS.jsonDepth);
    expect([deep.status, deep.json.errors[0].code]).toEqual([422, 'too_deep']);
    expect((await submit(500_000)).json.errors[0].code).toBe('too_deep');
  });

  it('that is refused early is still heard out, so that the answer arrives, and the connection goes on', async () => {
    const socket = await open(api.port);
    const size = LIMITS.submitBodyBytes * 2;
    socket.write(post('/v1/jobs', `Content-Length: ${size}`));
    // Reads nothing before everything is sent, as many clients do.
    socket.pause();
    await new Promise<void>((resolve) => socket.write(Buffer.alloc(size, 97), () => resolve()));
    socket.write(get('/livez', 'Host: localhost'));
    const { text } = await answerOf(socket.resume());
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 413', 'HTTP/1.1 200']);
  });
});

describe('a hostile query', () => {
  test.each([
    '__proto__=1',
    '__proto__[limit]=1',
    'constructor=1',
    'toString=1',
    'limit=1&limit=2',
    'limit[]=1',
    'limit=1e1',
    'limit=0x10',
    'limit=%00',
    'limit=9007199254740993',
    'status=__proto__',
    'status=constructor',
    'label=__proto__',
    'created_after=0000-00-00T00:00:00Z',
    `cursor=${Buffer.from('{"__proto__":1}').toString('base64url')}`,
    'cursor=%F0%28%8C%28',
    `name=${'x'.repeat(10_000)}`,
    Array.from({ length: 2_500 }, (_, index) => `a${index}`).join('&'),
    Array.from({ length: 1_000 }, () => 'status=queued').join('&'),
    Array.from({ length: 1_000 }, (_, index) => `label=a${index}:b`).join('&'),
    '&&&===&&',
    '%',
    '%zz=%zz',
    'limit=%E0%A4%A',
    '?????',
    '\\\\..\\\\',
    "name=';drop table job;--",
  ])('is refused or answered, and breaks nothing: %.60s', async (query) => {
    const answer = await api.call('GET', `/v1/jobs?${query.replaceAll(' ', '%20')}`);
    expect([200, 400]).toContain(answer.status);
    if (answer.status === 400) expect(answer.json.code).toMatch(/^invalid_(query|cursor)$/);
    expect(({} as Record<string, unknown>).limit).toBeUndefined();
  });
});
