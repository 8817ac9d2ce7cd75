import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { send } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';
import { closeAll, type Service, startService } from '../support/services.ts';
import { getStep, isOver, submit, untilJob } from './steps-that-count.ts';

let database: TestDatabase;
let server: ServerProcess;

beforeAll(async () => {
  database = await testDatabase();
  server = await startServer({ DATABASE_URL: database.url, OUTBOUND_ALLOW: '127.0.0.1', QUEUES: 'default' });
});

afterEach(closeAll);

afterAll(async () => {
  await stopEverything();
  await database?.close();
});

const urlOf = ({ port }: Service) => `http://127.0.0.1:${port}`;

describe('a job with http steps', () => {
  it('reads from one service, computes, and writes to another, as one graph', async () => {
    const sent: unknown[] = [];
    const service = await startService(async (request, reply) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      if (request.method === 'POST') sent.push(JSON.parse(body));
      reply.setHeader('content-type', 'application/json');
      reply.end(JSON.stringify({ rows: [{ amount: 3 }, { amount: 4 }] }));
    });
    const id = await submit(server, {
      name: 'report',
      input: { day: '2026-11-20' },
      steps: [
        { name: 'rows', uses: 'http', with: { url: urlOf(service), query: { day: '${{ input.day }}' } } },
        {
          name: 'publish',
          needs: ['rows'],
          uses: 'http',
          with: {
            url: `${urlOf(service)}/reports`,
            method: 'POST',
            body: { day: '${{ input.day }}', amounts: '${{ steps.rows.output.body.rows.map(r, r.amount) }}' },
          },
        },
      ],
      output: { status: '${{ steps.publish.output.status }}' },
    });
    const job = await untilJob(server, id, isOver);
    expect(job).toMatchObject({ status: 'succeeded', output: { status: 200 } });
    expect(sent).toEqual([{ day: '2026-11-20', amounts: [3, 4] }]);
    const log = await send(server.port, 'GET', `/v1/jobs/${id}/steps/publish/log`);
    expect(log.text).toMatch(/^POST http:\/\/127\.0\.0\.1:\d+\/reports → 200 in \d+ ms, 36 B\n$/);
  });

  it('waits as long as the service asks, then tries again under the same key', async () => {
    const asked: { at: number; key: unknown }[] = [];
    const service = await startService((request, reply) => {
      asked.push({ at: performance.now(), key: request.headers['idempotency-key'] });
      if (asked.length === 1) reply.writeHead(503, { 'retry-after': '2' }).end('later');
      else reply.end('now');
    });
    const retry = { max_attempts: 2, delay: '10ms', max_delay: '10ms' };
    const id = await submit(server, { name: 'patient', uses: 'http', with: { url: urlOf(service) }, retry });
    expect(await untilJob(server, id, isOver)).toMatchObject({ status: 'succeeded' });
    const [first, second] = asked;
    expect(asked).toHaveLength(2);
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(1990);
    expect(first?.key).toBe(`${id}/main/0`);
    expect(second?.key).toBe(first?.key);
    const step = await getStep(server, id, 'main');
    expect(step).toMatchObject({ attempt: 2, failures: 1, output: { status: 200, body: 'now' } });
    expect(step.attempts[0]).toMatchObject({
      outcome: 'failed',
      error: { code: 'http_status', details: { status: 503, body: 'later' } },
    });
  });

  it('fails at once where another attempt would change nothing', async () => {
    const service = await startService((_request, reply) => reply.writeHead(404).end());
    const definition = {
      name: 'lost',
      uses: 'http',
      with: { url: urlOf(service) },
      retry: { max_attempts: 5 },
    };
    const id = await submit(server, definition);
    expect(await untilJob(server, id, isOver)).toMatchObject({ status: 'failed' });
    expect(await getStep(server, id, 'main')).toMatchObject({ attempt: 1, error: { code: 'http_status' } });
  });

  it('is stopped by its timeout, and the service sees the connection end', async () => {
    const service = await startService(() => {});
    const id = await submit(server, {
      name: 'slow',
      steps: [{ name: 'main', uses: 'http', timeout: '300ms', with: { url: urlOf(service) } }],
    });
    expect(await untilJob(server, id, isOver)).toMatchObject({ status: 'failed' });
    expect(await getStep(server, id, 'main')).toMatchObject({ error: { code: 'timeout' } });
    await expect.poll(service.open, { timeout: 5000 }).toBe(0);
  });

  it('is refused at submit where it is wrong as it stands', async () => {
    const body = { name: 'wrong', uses: 'http', with: { url: 'http://u:p@127.0.0.1/', body: 1 } };
    const answer = await send(server.port, 'POST', '/v1/jobs', { body });
    expect(answer.status).toBe(422);
    expect(answer.json.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
      '/with/url',
      '/with/body',
    ]);
  });
});

describe('a server that admits no more than public addresses', () => {
  it('reaches nothing on its own machine, itself neither, and says what would', async () => {
    const strict = await startServer({ DATABASE_URL: database.url, QUEUES: 'strict' });
    const service = await startService((_request, reply) => reply.end('secret'));
    const urls = [urlOf(service), `http://2130706433:${service.port}`, `${strict.url}/v1/jobs`];
    for (const url of urls) {
      const id = await submit(strict, { name: 'nosy', queue: 'strict', uses: 'http', with: { url } });
      await untilJob(strict, id, isOver);
      expect(await getStep(strict, id, 'main')).toMatchObject({
        status: 'failed',
        error: {
          code: 'address_not_allowed',
          message: expect.stringContaining('127.0.0.1 is loopback; Holdfast does not call it'),
        },
      });
    }
    expect(service.connections()).toBe(0);
    await strict.kill();
  });
});

describe('a server that stops', () => {
  it('gives back a step whose request hangs, and leaves no connection', async () => {
    const settings = {
      DATABASE_URL: database.url,
      OUTBOUND_ALLOW: 'localhost',
      QUEUES: 'stop',
      SHUTDOWN_GRACE: '0',
    };
    const stopping = await startServer(settings);
    const service = await startService(() => {});
    const definition = { name: 'hangs', queue: 'stop', uses: 'http', with: { url: urlOf(service) } };
    const id = await submit(stopping, definition);
    await expect.poll(service.open, { timeout: 5000 }).toBe(1);
    expect(await stopping.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    await expect.poll(service.open, { timeout: 5000 }).toBe(0);
    expect(await getStep(server, id, 'main')).toMatchObject({ status: 'ready', failures: 0 });
  });
});
