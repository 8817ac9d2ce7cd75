import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readApart } from '../../src/http/bodies/read-apart.ts';
import { type TestApi, testApi } from '../support/api.ts';
import { until } from '../support/embedded.ts';
import { open } from '../support/raw.ts';
import { sendWritten } from './written.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi();
});
afterAll(() => api.close());

const stopping = new AbortController().signal;

/** Large enough to be read in a thread, and to take it some time. */
const LARGE = '- a\n'.repeat(25_000);

test('a body whose client has left is not read when its turn comes', async () => {
  const question = { format: 'yaml', text: LARGE } as const;
  await expect(readApart(question, { isGone: () => true, stopping })).rejects.toMatchObject({
    code: 'bad_request',
  });
  expect(await readApart(question, { isGone: () => false, stopping })).toMatchObject({ ok: true });
});

test('clients that leave their large bodies behind keep nobody waiting', async () => {
  const started = performance.now();
  expect((await sendWritten(api, 'application/yaml', LARGE)).status).toBe(422);
  const alone = performance.now() - started;

  let arrived = 0;
  api.app.server.on('request', ({ headers }) => {
    if (headers['x-leaves'] !== undefined) arrived++;
  });
  const head = `POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\nx-leaves: yes\r\ncontent-type: application/yaml\r\n`;
  const sockets = await Promise.all(Array.from({ length: 20 }, () => open(api.port)));
  for (const socket of sockets) socket.write(`${head}content-length: ${LARGE.length}\r\n\r\n${LARGE}`);
  await until(() => arrived === sockets.length);
  await Promise.all(sockets.map((socket) => once(socket.destroy(), 'close')));

  const since = performance.now();
  expect((await sendWritten(api, 'application/yaml', LARGE)).status).toBe(422);
  // Of those that have left, one may be read just now.
  expect(performance.now() - since).toBeLessThan(6 * alone + 1000);
});

test('a connection that is cut after its body was refused, or in the middle of it, ends nobody else', async () => {
  const ended: Error[] = [];
  const hear = (error: Error) => void ended.push(error);
  process.on('uncaughtExceptionMonitor', hear);
  try {
    const chunk = `${(65_536).toString(16)}\r\n${' '.repeat(65_536)}\r\n`;
    const body = { name: 'open', uses: 'value' };
    const { json: job } = await api.call('POST', '/v1/jobs', { body });
    for (const [line, type, chunks] of [
      ['POST /v1/jobs', 'application/json', 300],
      ['POST /v1/jobs', 'text/csv', 2],
      ['POST /v1/jobs', 'application/json', 2],
      // Nobody reads this one's body, and its answer takes long.
      [`GET /v1/jobs/${job.id}?wait=20s`, 'application/json', 2],
    ] as const) {
      const arrived = new Promise<Socket>((resolve) =>
        api.app.server.once('request', ({ socket }) => resolve(socket)),
      );
      const socket = await open(api.port);
      socket.write(`${line} HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${type}\r\n`);
      socket.write(`transfer-encoding: chunked\r\n\r\n${chunk.repeat(chunks)}`);
      const other = await arrived;
      const closed = new Promise((resolve) => other.once('close', resolve));
      if (line.startsWith('POST') && chunks > 2) await once(socket, 'data');
      else await until(() => other.bytesRead > chunks * 60_000);
      socket.destroy();
      await closed;
    }
    expect((await api.call('GET', '/livez')).status).toBe(200);
    expect(ended).toEqual([]);
  } finally {
    process.off('uncaughtExceptionMonitor', hear);
  }
});
