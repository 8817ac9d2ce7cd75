import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLogger } from '../../src/telemetry/logger.ts';
import { type TestApi, testApi } from '../support/api.ts';

function sink() {
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(...String(chunk).trim().split('\n'));
      done();
    },
  });
  return { lines, destination };
}

let api: TestApi;
const { lines, destination } = sink();
beforeAll(async () => {
  api = await testApi({ log: createLogger({ level: 'debug', pretty: false, destination }) });
});
afterAll(() => api.close());

async function lineOf(requestId: string): Promise<Record<string, unknown>> {
  const deadline = performance.now() + 5_000;
  while (performance.now() < deadline) {
    const found = lines.map((line) => JSON.parse(line)).filter((line) => line.request_id === requestId);
    if (found.length > 0) {
      expect(found).toHaveLength(1);
      return found[0];
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`no line of ${requestId} came`);
}

describe('each answered request writes one line', () => {
  const call = (id: string, method: string, path: string, body?: unknown) =>
    api.call(method, path, { headers: { 'x-request-id': id }, body });

  test('at info for a submit, with the id of the job', async () => {
    const { json } = await call('r-submit', 'POST', '/v1/jobs', { name: 'x', uses: 'value' });
    expect(await lineOf('r-submit')).toMatchObject({
      level: 'info',
      job_id: json.id,
      method: 'POST',
      url: '/v1/jobs',
      status: 202,
      ms: expect.any(Number),
      msg: expect.stringMatching(/^POST \/v1\/jobs 202 in \d+ ms$/),
    });
  });

  test("at info with the code for what is refused, without the query, which may hold what is nobody else's", async () => {
    await call('r-refused', 'GET', '/v1/jobs?secret=1');
    const line = await lineOf('r-refused');
    expect(line).toMatchObject({ level: 'info', status: 400, code: 'invalid_query', url: '/v1/jobs' });
    expect(JSON.stringify(line)).not.toContain('secret');
  });

  test('at debug for reads and for who asks how the server is', async () => {
    await call('r-read', 'GET', '/v1/jobs');
    await call('r-probe', 'GET', '/health');
    expect(await lineOf('r-read')).toMatchObject({ level: 'debug', status: 200 });
    expect(await lineOf('r-probe')).toMatchObject({ level: 'debug', status: 200 });
  });
});

test('a pretty log says in one line for people what happened, and of an error where', () => {
  const { lines: shown, destination: out } = sink();
  const log = createLogger({ level: 'info', pretty: true, destination: out });
  log.info({ job_id: 'abc', method: 'GET' }, 'a job ended');
  log.debug('not shown');
  log.error({ err: new Error('boom') }, 'it broke');
  expect(shown[0]).toMatch(/^\[\d\d:\d\d:\d\d\] INFO: a job ended {2}abc$/);
  expect(shown.join('\n')).toMatch(/ERROR: it broke[\s\S]*boom/);
});
