import { once } from 'node:events';
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
