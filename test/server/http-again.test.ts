import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { newDataDir, until } from '../support/embedded.ts';
import { startServer, stopEverything } from '../support/server-process.ts';
import { getStep, isOver, submit, untilJob } from './steps-that-count.ts';

const closers: (() => void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) close();
  await stopEverything();
});

/** A service that keeps whoever asks first waiting for ever, and answers everybody else. */
async function forgetfulService() {
  const keys: (string | undefined)[] = [];
  const service = createServer(({ headers }, response) => {
    keys.push(headers['idempotency-key'] as string | undefined);
    if (keys.length > 1) response.end('booked');
  });
  service.listen(0, '127.0.0.1');
  await once(service, 'listening');
  closers.push(() => {
    service.close();
    service.closeAllConnections();
  });
  const { port } = service.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/bookings`, keys };
}

it('sends the request of a step again after a crash, under the same key', async () => {
  const { url, keys } = await forgetfulService();
  const settings = { DATA_DIR: newDataDir(), OUTBOUND_ALLOW: '127.0.0.1' };
  const first = await startServer(settings);
  const id = await submit(first, { name: 'book', uses: 'http', with: { method: 'POST', url } });
  await until(() => keys.length === 1);
  await first.kill();

  const second = await startServer(settings);
  expect(await untilJob(second, id, isOver)).toMatchObject({ status: 'succeeded' });
  expect(keys).toEqual([`${id}/main/0`, `${id}/main/0`]);
  expect(await getStep(second, id, 'main')).toMatchObject({
    output: { body: 'booked' },
    failures: 0,
    attempts: [{ outcome: 'lost' }, { outcome: 'succeeded' }],
  });
});
