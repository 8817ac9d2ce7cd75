import { getEventListeners } from 'node:events';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LIMITS, PATIENCE } from '../../src/domain/limits.ts';
import { session } from '../engine/work.ts';
import { send, type TestApi, testApi } from '../support/api.ts';
import { until } from '../support/embedded.ts';
import { answerOf, open } from '../support/raw.ts';

// As in real life, in the same order, only shorter.
const patience = {
  head: 700,
  request: 2500,
  stall: 1000,
  linger: 700,
  keepAlive: 1000,
  check: 50,
  close: 300,
};

let api: TestApi;
beforeAll(async () => {
  api = await testApi({ patience });
});
afterAll(() => api.close());

const HEAD = 'POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';

/** How many connections a server has. */
const connections = ({ app }: TestApi) =>
  new Promise<number>((resolve) => app.server.getConnections((_error, count) => resolve(count)));

/** Sends a piece every 100 ms, as long as the connection is open and there are pieces. */
function drip(socket: Socket, pieces: Iterator<string>): void {
  const timer = setInterval(() => {
    const { value, done } = pieces.next();
    if (done || socket.destroyed) clearInterval(timer);
    else socket.write(value);
  }, 100);
}

async function expectTimeout(socket: Socket): Promise<void> {
  const { status, problem, head } = await answerOf(socket);
  expect(status).toBe(408);
  expect(problem).toMatchObject({ status: 408, code: 'request_timeout' });
  expect(head).toContain('connection: close');
}

describe.concurrent('a client that is slow', () => {
  it('to send anything is answered 408, and so are many at once, while others are served', async () => {
    const idle = await Promise.all(Array.from({ length: 200 }, () => open(api.port)));
    const answers = Promise.all(idle.map(expectTimeout));
    expect((await send(api.port, 'GET', '/livez')).status).toBe(200);
    await answers;
    expect(api.app.server.maxConnections).toBe(LIMITS.connections + LIMITS.connectionsRefused);
  });

  it('to send the head, a header at a time, is answered 408', async () => {
    const socket = await open(api.port);
    socket.write('GET /livez HTTP/1.1\r\n');
    drip(
      socket,
      (function* () {
        for (;;) yield 'X: y\r\n';
      })(),
    );
    await expectTimeout(socket);
  });

  it('to send the body is answered 408 when it stops, long before it would have to be there', async () => {
    for (const type of ['Content-Length: 100\r\n', 'Transfer-Encoding: chunked\r\n']) {
      const socket = await open(api.port);
      const asked = Date.now();
      socket.write(`${HEAD}${type}\r\n${type.startsWith('T') ? '2\r\n{"\r\n' : '{"'}`);
      await expectTimeout(socket);
      expect(Date.now() - asked).toBeLessThan(patience.request);
    }
  });

  it('to send the body is answered 408 when it goes on for ever', async () => {
    const socket = await open(api.port);
    socket.write(`${HEAD}Content-Length: 1000\r\n\r\n`);
    drip(
      socket,
      (function* () {
        for (;;) yield ' ';
      })(),
    );
    await expectTimeout(socket);
  });

  it('but goes on, and comes to an end, is served', async () => {
    const body = '{"name":"slow","uses":"value"}';
    const socket = await open(api.port);
    socket.write(`${HEAD}Connection: close\r\nContent-Length: ${body.length}\r\n\r\n`);
    // Fifteen pieces of 100 ms: longer together than any pause may be.
    drip(socket, body.match(/.{1,2}/g)?.values() as Iterator<string>);
    expect((await answerOf(socket)).status).toBe(202);
  });

  it('to read its answer is let go, and the answer with it', async () => {
    const input = { text: 'x'.repeat(LIMITS.valueBytes - 100) };
    // Over a server that gives everybody time; the slow one serves the same jobs.
    const patient = await testApi();
    const slow = await testApi({ patience, store: patient.store });
    for (let index = 0; index < 80; index++) {
      const body = { name: 'large', uses: 'value', input };
      expect((await send(patient.port, 'POST', '/v1/jobs', { body })).status).toBe(202);
    }
    await until(async () => (await connections(slow)) === 0);
    const socket = await open(slow.port);
    socket.pause();
    socket.write('GET /v1/jobs?name=large&limit=80 HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await until(async () => (await connections(slow)) === 1);
    await until(async () => (await connections(slow)) === 0);
    const { text } = await answerOf(socket.resume());
    expect(text).toContain('HTTP/1.1 200 OK');
    expect(text.length).toBeLessThan(80 * LIMITS.valueBytes);
    await Promise.all([slow.close(), patient.close()]);
  });

  it('to end its body after the answer is let go, long before the body would have to be there', async () => {
    const socket = await open(api.port);
    const asked = Date.now();
    socket.write(`${HEAD.replace('application/json', 'text/plain')}Content-Length: 1000\r\n\r\n`);
    drip(
      socket,
      (function* () {
        for (;;) yield ' ';
      })(),
    );
    const { text } = await answerOf(socket);
    // One answer: nothing that could be taken for the next one.
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 415']);
    expect(Date.now() - asked).toBeLessThan(patience.request);
  });

  it('to send its next request finds the connection closed, without a word', async () => {
    const socket = await open(api.port);
    socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect((await answerOf(socket)).text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200']);
  });
});

describe.concurrent('a client that waits for us', () => {
  it('may wait longer than any other pause', async () => {
    const { json } = await api.call('POST', '/v1/jobs', { body: { name: 'waits', uses: 'value' } });
    const asked = Date.now();
    const answer = await api.call('GET', `/v1/jobs/${json.id}?wait=3s`);
    expect(answer.json.status).toBe('queued');
    expect(Date.now() - asked).toBeGreaterThan(patience.request);
  });

  it('may send its next request on the same connection while it waits', async () => {
    const { json } = await api.call('POST', '/v1/jobs', { body: { name: 'waits', uses: 'value' } });
    const socket = await open(api.port);
    socket.write(`GET /v1/jobs/${json.id}?wait=1s HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    socket.write('GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    expect((await answerOf(socket)).text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 404']);
  });
});

describe('a connection', () => {
  it('gathers no listeners over its requests', async () => {
    let server: Socket | undefined;
    api.app.server.once('connection', (socket: Socket) => {
      server = socket;
    });
    const socket = await open(api.port);
    const request = 'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n';
    const answered = (count: number) => until(() => (text.match(/HTTP\/1\.1 200/g) ?? []).length === count);
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk;
    });
    const listeners = () =>
      server
        ?.eventNames()
        .reduce((sum, name) => sum + getEventListeners(server as Socket, name as string).length, 0);
    socket.write(request);
    await answered(1);
    const after = listeners();
    socket.write(request.repeat(20));
    await answered(21);
    expect(listeners()).toBe(after);
    socket.destroy();
  });

  it('does not keep the server from stopping, whatever its client does not do', async () => {
    const other = await testApi({ patience: { ...PATIENCE, close: patience.close } });
    const [silent, half] = [await open(other.port), await open(other.port)];
    half.write(`${HEAD}Content-Length: 100\r\n\r\n{`);
    await until(async () => (await connections(other)) === 2);
    // Well before anything else would end them.
    await Promise.all([other.close(), answerOf(silent), answerOf(half)]);
  }, 10_000);
});

describe('a job that another transaction holds', () => {
  it('is read as ever; who wants to change it waits for some seconds and is answered with 503', async () => {
    const { json } = await api.call('POST', '/v1/jobs', { body: { name: 'held', uses: 'value' } });
    const cancel = () => api.call('POST', `/v1/jobs/${json.id}/cancel`);
    const holder = await session(api.database.url);
    try {
      await holder.query('begin');
      await holder.query('select from job where id = $1 for update', [json.id]);
      const waiting = cancel();
      expect((await api.call('GET', `/v1/jobs/${json.id}`)).json.status).toBe('queued');
      const { status, headers, json: problem } = await waiting;
      expect([status, problem.code]).toEqual([503, 'database_unavailable']);
      expect(headers['retry-after']).toMatch(/^\d+$/);
    } finally {
      await holder.end();
    }
    expect((await cancel()).json.status).toBe('cancelled');
  });
});

describe('the patience of a real server', () => {
  it('is in order: what is asked of a client leaves time for the longest wait and the largest body', () => {
    expect(PATIENCE.head).toBeLessThan(PATIENCE.request);
    expect(PATIENCE.stall).toBeLessThan(PATIENCE.request);
    // 16 MiB over a line of 256 kbit/s.
    expect(PATIENCE.request).toBeGreaterThan((LIMITS.submitBodyBytes * 8) / 256);
    // What proxies keep their connections for, by default.
    expect(PATIENCE.keepAlive).toBeGreaterThan(60_000);
  });
});
