import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { selfSigned } from '../support/certificate.ts';
import { ask, closeAll, open, type Service, startService, textOf } from '../support/services.ts';

afterEach(closeAll);

const patient = { timeout: 5000 };

/** Answers with what it was asked. */
const echo = () =>
  startService(async (request, reply) => {
    const { method, url, headers } = request;
    reply.end(JSON.stringify({ method, url, headers, body: await textOf(request) }));
  });

/** Redirects `/to/<status>?<url>`, and tells of any other path what it was asked. */
const redirecting = () =>
  startService(async (request, reply) => {
    const { method, headers, url = '' } = request;
    const [, status, location] = /^\/to\/(\d+)\?(.*)$/.exec(url) ?? [];
    if (status !== undefined && location !== undefined) {
      reply.writeHead(Number(status), { location: decodeURIComponent(location) }).end('moved');
      return;
    }
    reply.end(JSON.stringify({ method, url, headers, body: await textOf(request) }));
  });

const to = (service: Service, status: number, location: string) =>
  `http://127.0.0.1:${service.port}/to/${status}?${encodeURIComponent(location)}`;

/** A lookup that gives one answer after the other, the last one again and again, and counts. */
function lookups(...answers: string[][]) {
  let asked = 0;
  const lookup = async () => answers[Math.min(asked++, answers.length - 1)] ?? [];
  return { lookup, asked: () => asked };
}

describe('a request', () => {
  it('reaches what is admitted, and says who asks', async () => {
    const service = await echo();
    const end = await ask(open('127.0.0.1'), `http://127.0.0.1:${service.port}/a?b=c`, {
      method: 'POST',
      headers: { 'x-a': 'b' },
      body: 'hello',
    });
    if (end.kind !== 'answered') throw new Error(end.message);
    expect(end).toMatchObject({ status: 200, cut: false, url: `http://127.0.0.1:${service.port}/a?…` });
    expect(JSON.parse(end.body.toString())).toMatchObject({
      method: 'POST',
      url: '/a?b=c',
      body: 'hello',
      headers: { 'x-a': 'b', 'user-agent': 'holdfast/test', 'content-length': '5' },
    });
  });

  it.each([
    ['127.0.0.1', '127.0.0.1 is loopback'],
    ['localhost', 'localhost leads to'],
    ['0x7f.1', '127.0.0.1 is loopback'],
    ['2130706433', '127.0.0.1 is loopback'],
    ['[::1]', '::1 is loopback'],
    ['[::ffff:127.0.0.1]', '127.0.0.1 is loopback'],
    ['0.0.0.0', '0.0.0.0 is an unspecified address'],
    ['127.0.0.1.', '127.0.0.1 is loopback'],
    ['１２７.0.0.1', '127.0.0.1 is loopback'],
  ])('to %s opens no connection unless it is admitted', async (host, words) => {
    const service = await echo();
    const end = await ask(open(''), `http://${host}:${service.port}/`);
    expect(end).toMatchObject({ kind: 'failed', failed: 'address_not_allowed' });
    expect(end).toMatchObject({ message: expect.stringContaining(words) });
    expect(service.connections()).toBe(0);
  });

  it('that is refused says what would admit it', async () => {
    const end = await ask(open(''), 'http://127.0.0.1:9/x?key=secret');
    expect(end).toMatchObject({
      message:
        'GET http://127.0.0.1:9/x?…: 127.0.0.1 is loopback; Holdfast does not call it unasked, ' +
        'the operator admits it by starting the server with OUTBOUND_ALLOW=127.0.0.1:9',
    });
    const named = await ask(open('', lookups(['10.1.2.3'])), 'http://db.example/');
    expect(named).toMatchObject({
      message:
        'GET http://db.example/: db.example leads to 10.1.2.3, which is a private address; Holdfast does not call it unasked, ' +
        'the operator admits it by starting the server with OUTBOUND_ALLOW=10.1.2.3:80',
    });
  });

  it('is refused on another port than the one that is admitted', async () => {
    const service = await echo();
    const outbound = open(`127.0.0.1:${service.port}`);
    expect(await ask(outbound, `http://127.0.0.1:${service.port}/`)).toMatchObject({ status: 200 });
    expect(await ask(outbound, 'http://127.0.0.1:1/')).toMatchObject({ failed: 'address_not_allowed' });
  });

  it('to 0.0.0.0, which this machine answers, is judged by who answers', async () => {
    const service = await echo();
    const end = await ask(open('0.0.0.0'), `http://0.0.0.0:${service.port}/`);
    expect(end).toMatchObject({
      failed: 'address_not_allowed',
      message: expect.stringContaining('127.0.0.1'),
    });
    expect(await ask(open('0.0.0.0,127.0.0.1'), `http://0.0.0.0:${service.port}/`)).toMatchObject({
      status: 200,
    });
  });

  it('never rejects, whatever there is at the other end', async () => {
    const rude = await startService((request) => request.socket.end('hello, this is no HTTP\r\n\r\n'));
    const cut = await startService((_request, reply) => {
      reply.writeHead(200, { 'content-length': '100' }).write('short', () => reply.destroy());
    });
    const odd = await startService((request) => request.socket.end('HTTP/1.1 000 X\r\n\r\n'));
    const outbound = open('127.0.0.1', lookups([]));
    const causes = [];
    for (const url of [
      `http://127.0.0.1:${rude.port}/`,
      `http://127.0.0.1:${cut.port}/`,
      'http://127.0.0.1:1/',
      `https://127.0.0.1:${rude.port}/`,
      'http://nothing.example/',
      `http://127.0.0.1:${odd.port}/`,
    ]) {
      const end = await ask(outbound, url);
      expect(end).toMatchObject({
        kind: 'failed',
        failed: 'network',
        message: expect.stringMatching(/^GET http/),
      });
      // What libraries say to themselves is not for users.
      expect(end).toMatchObject({ message: expect.not.stringMatching(/\n|expression|assert\(/) });
      causes.push(end.kind === 'failed' ? end.cause : '');
    }
    expect(causes).toEqual([
      expect.stringMatching(/^(HPE_|HTTPParserError)/),
      'UND_ERR_SOCKET',
      'ECONNREFUSED',
      expect.stringMatching(/SSL|ECONNRESET/),
      'ENOTFOUND',
      'ERR_ASSERTION',
    ]);
  });
});

describe('a name', () => {
  it('is refused when any of its addresses is, whichever comes first', async () => {
    const service = await echo();
    for (const answer of [
      ['127.0.0.1', '10.0.0.1'],
      ['10.0.0.1', '127.0.0.1'],
      ['127.0.0.1', '::ffff:10.0.0.1'],
      ['127.0.0.1', '2130706434'],
    ]) {
      const end = await ask(open('127.0.0.1', lookups(answer)), `http://mixed.example:${service.port}/`);
      expect(end).toMatchObject({ failed: 'address_not_allowed' });
    }
    expect(service.connections()).toBe(0);
  });

  it('is looked up once a connection, so that a second answer cannot lead elsewhere', async () => {
    const there = await echo();
    const dns = lookups(['127.0.0.2'], ['127.0.0.1']);
    // Nothing listens on 127.0.0.2; had the name been asked again, the service on 127.0.0.1 would have answered.
    const end = await ask(open('127.0.0.2', dns), `http://rebinding.example:${there.port}/`);
    expect(end).toMatchObject({ failed: 'network', cause: 'ECONNREFUSED' });
    expect(dns.asked()).toBe(1);
    expect(there.connections()).toBe(0);
  });

  it('is judged anew for the next connection', async () => {
    const there = await echo();
    const outbound = open('127.0.0.1', lookups(['127.0.0.1'], ['127.0.0.3']));
    const url = `http://rebinding.example:${there.port}/`;
    expect(await ask(outbound, url, { headers: { 'x-a': '1' } })).toMatchObject({ status: 200 });
    // The connection of before is kept for a second, and leads where it led.
    await expect.poll(there.open, patient).toBe(0);
    expect(await ask(outbound, url)).toMatchObject({ failed: 'address_not_allowed' });
  });

  it('that leads nowhere, or to what is no address, is a failure of the network', async () => {
    for (const answer of [[], ['nonsense'], ['127.0.0.1', 'nonsense']]) {
      const end = await ask(open('127.0.0.1', lookups(answer)), 'http://odd.example:9/');
      expect(end).toMatchObject({ failed: 'network', cause: 'ENOTFOUND' });
    }
  });

  it('goes to the next of its addresses when the first does not answer', async () => {
    const service = await echo();
    const outbound = open('localhost', lookups(['::1', '127.0.0.1']));
    expect(await ask(outbound, `http://both.example:${service.port}/`)).toMatchObject({ status: 200 });
  });
});

describe('TLS', () => {
  it('asks for the name and checks the certificate against it', async () => {
    const names: (string | false | null)[] = [];
    const pair = selfSigned('good.example');
    const service = await startService((request, reply) => {
      names.push((request.socket as import('node:tls').TLSSocket).servername ?? null);
      reply.end('hello');
    }, pair);
    const outbound = open('127.0.0.1', { ...lookups(['127.0.0.1']), ca: pair.cert });
    const { port } = service;
    expect(await ask(outbound, `https://good.example:${port}/`)).toMatchObject({ status: 200 });
    expect(await ask(outbound, `https://good.example.:${port}/`)).toMatchObject({ status: 200 });
    expect(names).toEqual(['good.example', 'good.example']);
    const other = { failed: 'network', cause: 'ERR_TLS_CERT_ALTNAME_INVALID' };
    expect(await ask(outbound, `https://other.example:${port}/`)).toMatchObject(other);
    expect(await ask(outbound, `https://127.0.0.1:${port}/`)).toMatchObject(other);
    expect(names).toHaveLength(2);
  });

  it('trusts no signer that nobody knows, and says how to make one known', async () => {
    const service = await startService((_request, reply) => reply.end('hello'), selfSigned('good.example'));
    const outbound = open('127.0.0.1', lookups(['127.0.0.1']));
    expect(await ask(outbound, `https://good.example:${service.port}/`)).toMatchObject({
      failed: 'network',
      cause: 'DEPTH_ZERO_SELF_SIGNED_CERT',
      message: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    });
  });
});

describe('redirects', () => {
  it('are followed, each request reported without its query', async () => {
    const service = await redirecting();
    const reports: string[] = [];
    const end = await ask(open('127.0.0.1'), to(service, 302, '/there?key=secret'), {
      onHop: ({ method, url, status, bytes }) => reports.push(`${method} ${url} ${status} ${bytes !== null}`),
    });
    expect(end).toMatchObject({ status: 200 });
    const host = `http://127.0.0.1:${service.port}`;
    expect(reports).toEqual([`GET ${host}/to/302?… 302 false`, `GET ${host}/there?… 200 true`]);
  });

  it('to what is not admitted are refused, however it is written', async () => {
    const service = await redirecting();
    const secret = await echo();
    const outbound = open(`127.0.0.1:${service.port}`);
    for (const host of [
      '127.0.0.1',
      '0x7f.1',
      'localhost',
      '[::ffff:7f00:1]',
      '169.254.169.254',
      '[fd00::1]',
    ]) {
      const end = await ask(outbound, to(service, 307, `http://${host}:${secret.port}/`));
      expect(end).toMatchObject({ failed: 'address_not_allowed' });
    }
    expect(secret.connections()).toBe(0);
  });

  it('to files and other schemes are not followed', async () => {
    const service = await redirecting();
    const outbound = open('127.0.0.1');
    for (const location of [
      'file:///etc/passwd',
      'ftp://127.0.0.1/',
      'http://user:pass@127.0.0.1/',
      'http://',
    ]) {
      expect(await ask(outbound, to(service, 302, location))).toMatchObject({ failed: 'bad_redirect' });
    }
  });

  it('end after as many as are wanted; with none wanted the redirect is the answer', async () => {
    const service = await redirecting();
    const outbound = open('127.0.0.1');
    const loop = `/to/302?${encodeURIComponent('/to/302?x')}`;
    expect(await ask(outbound, to(service, 302, loop), { redirects: 1 })).toMatchObject({
      failed: 'too_many_redirects',
      message: expect.stringContaining('the 1 that'),
    });
    expect(await ask(outbound, to(service, 302, '/a'), { redirects: 1 })).toMatchObject({ status: 200 });
    const kept = await ask(outbound, to(service, 302, '/a'), { redirects: 0 });
    expect(kept).toMatchObject({ status: 302, headers: { location: '/a' }, body: Buffer.from('moved') });
  });

  it('send the body again where the status says so, to whoever it leads to', async () => {
    const service = await redirecting();
    const other = await echo();
    const end = await ask(open('127.0.0.1'), to(service, 308, `http://127.0.0.1:${other.port}/x`), {
      method: 'PUT',
      body: 'hello',
      headers: { authorization: 'Bearer a', 'x-a': 'b' },
    });
    if (end.kind !== 'answered') throw new Error(end.message);
    const { method, body, headers } = JSON.parse(end.body.toString());
    expect({ method, body }).toEqual({ method: 'PUT', body: 'hello' });
    expect(headers).toMatchObject({ 'x-a': 'b' });
    expect(headers).not.toHaveProperty('authorization');
  });
});

describe('an answer', () => {
  const CODINGS = { gzip: gzipSync, 'x-gzip': gzipSync, br: brotliCompressSync, deflate: deflateSync };

  it.each(Object.entries(CODINGS))('in %s is unpacked', async (encoding, pack) => {
    const service = await startService((_request, reply) => {
      reply.writeHead(200, { 'content-encoding': encoding }).end(pack('hello '.repeat(100)));
    });
    const end = await ask(open('127.0.0.1'), `http://127.0.0.1:${service.port}/`);
    if (end.kind !== 'answered') throw new Error(end.message);
    expect(end.body.toString()).toBe('hello '.repeat(100));
    expect(end.headers).not.toHaveProperty('content-encoding');
    expect(end.headers).not.toHaveProperty('content-length');
  });

  it.each(['gzip', 'br', 'deflate'] as const)(
    'that unpacks to far more than fits is cut: %s',
    async (encoding) => {
      const bomb = CODINGS[encoding](Buffer.alloc(32 * 1024 * 1024));
      const service = await startService((_request, reply) => {
        reply.writeHead(200, { 'content-encoding': encoding }).end(bomb);
      });
      const before = process.memoryUsage().arrayBuffers;
      const end = await ask(open('127.0.0.1'), `http://127.0.0.1:${service.port}/`);
      expect(end).toMatchObject({ cut: true });
      expect(end.kind === 'answered' && end.body.length).toBe(10_000);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
      await expect.poll(service.open, patient).toBe(0);
    },
  );

  it('that takes much and unpacks to nothing is given up', async () => {
    const nothing = Buffer.concat(Array.from({ length: 1000 }, () => gzipSync('')));
    const service = await startService((_request, reply) => {
      reply.writeHead(200, { 'content-encoding': 'gzip' });
      const more = () => {
        while (!reply.destroyed && reply.write(nothing));
        if (!reply.destroyed) reply.once('drain', more);
      };
      more();
    });
    const end = await ask(open('127.0.0.1'), `http://127.0.0.1:${service.port}/`);
    expect(end).toMatchObject({ failed: 'response_too_large' });
    await expect.poll(service.open, patient).toBe(0);
  });

  it('without end is cut, and its connection with it', async () => {
    const service = await startService((_request, reply) => {
      const more = () => {
        while (!reply.destroyed && reply.write('x'.repeat(1000)));
        if (!reply.destroyed) reply.once('drain', more);
      };
      more();
    });
    expect(await ask(open('127.0.0.1'), `http://127.0.0.1:${service.port}/`)).toMatchObject({ cut: true });
    await expect.poll(service.open, patient).toBe(0);
  });

  it('with a broken or cut coding is a failure of the network', async () => {
    const whole = gzipSync('hello '.repeat(1000));
    for (const [body, cause] of [
      [Buffer.from('not packed at all'), 'Z_DATA_ERROR'],
      [whole.subarray(0, whole.length - 10), 'Z_BUF_ERROR'],
    ] as const) {
      const service = await startService((_request, reply) => {
        reply.writeHead(200, { 'content-encoding': 'gzip' }).end(body);
      });
      const end = await ask(open('127.0.0.1'), `http://127.0.0.1:${service.port}/`);
      expect(end).toMatchObject({ failed: 'network', cause });
    }
  });

  it('in a coding that nobody asked for is left as it is', async () => {
    const service = await startService((_request, reply) => {
      reply.writeHead(200, { 'content-encoding': 'gzip, gzip' }).end('as it is');
    });
    const end = await ask(open('127.0.0.1'), `http://127.0.0.1:${service.port}/`);
    expect(end).toMatchObject({
      headers: { 'content-encoding': 'gzip, gzip' },
      body: Buffer.from('as it is'),
    });
  });

  it('without a body is read, whatever its headers say', async () => {
    const service = await startService(({ url }, reply) => {
      reply.writeHead(url === '/304' ? 304 : 200, { 'content-encoding': 'gzip', etag: '"a"' }).end();
    });
    const host = `http://127.0.0.1:${service.port}`;
    const outbound = open('127.0.0.1');
    const empty = { body: Buffer.alloc(0), headers: { etag: '"a"' } };
    expect(await ask(outbound, `${host}/304`)).toMatchObject({ status: 304, ...empty });
    expect(await ask(outbound, `${host}/`, { method: 'HEAD' })).toMatchObject({ status: 200, ...empty });
    expect(await ask(outbound, `${host}/`)).toMatchObject({ status: 200, ...empty });
  });

  it('with more headers than are read is refused', async () => {
    const service = await startService((_request, reply) => {
      reply.writeHead(200, { 'x-long': 'x'.repeat(20_000) }).end();
    });
    const end = await ask(open('127.0.0.1'), `http://127.0.0.1:${service.port}/`);
    expect(end).toMatchObject({ failed: 'response_too_large', message: expect.stringContaining('headers') });
  });
});

describe('the signal', () => {
  it.each([
    ['before an answer', (_reply: { write(text: string): void }) => {}],
    ['in the middle of one', (reply: { write(text: string): void }) => reply.write('a')],
  ])('ends a request at once, %s, and its connection', async (_name, start) => {
    let asked = 0;
    const service = await startService((_request, reply) => {
      asked += 1;
      start(reply);
    });
    const controller = new AbortController();
    const { signal } = controller;
    const ending = ask(open('127.0.0.1'), `http://127.0.0.1:${service.port}/`, { signal });
    await expect.poll(() => asked).toBe(1);
    // The server gives reasons that are no errors.
    controller.abort('timeout');
    expect(await ending).toMatchObject({ kind: 'failed', failed: 'aborted' });
    await expect.poll(service.open, patient).toBe(0);
  });

  it('ends a request that still waits for its name', async () => {
    const controller = new AbortController();
    const outbound = open('', { lookup: () => new Promise(() => {}) });
    const ending = ask(outbound, 'http://slow.example/', { signal: controller.signal });
    controller.abort('shutdown');
    // At once: a lookup is given up only after ten seconds.
    const soon = AbortSignal.timeout(5_000);
    const late = new Promise((_resolve, reject) => soon.addEventListener('abort', () => reject(soon.reason)));
    expect(await Promise.race([ending, late])).toMatchObject({ failed: 'aborted' });
  });

  it('that is over already lets nothing start', async () => {
    const service = await echo();
    const end = await ask(open('127.0.0.1'), `http://127.0.0.1:${service.port}/`, {
      signal: AbortSignal.abort(),
    });
    expect(end).toMatchObject({ failed: 'aborted' });
    expect(service.connections()).toBe(0);
  });
});

describe('connections', () => {
  it('are used again by requests that follow, and let go soon after', async () => {
    const service = await echo();
    const outbound = open('127.0.0.1');
    for (let i = 0; i < 5; i++) await ask(outbound, `http://127.0.0.1:${service.port}/`);
    expect(service.connections()).toBeLessThan(5);
    await expect.poll(service.open, patient).toBe(0);
  });

  it('are all ended by close, also those in use', async () => {
    const service = await startService(() => {});
    const outbound = open('127.0.0.1');
    const ending = ask(outbound, `http://127.0.0.1:${service.port}/`);
    await expect.poll(service.open).toBe(1);
    await outbound.close();
    expect(await ending).toMatchObject({ failed: 'network', cause: 'UND_ERR_DESTROYED' });
    await expect.poll(service.open, patient).toBe(0);
  });
});
