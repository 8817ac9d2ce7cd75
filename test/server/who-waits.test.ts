import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient, Worker } from '../../client/src/index.ts';
import { send } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { until } from '../support/embedded.ts';
import { type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';
import { submit } from './steps-that-count.ts';

/** Two servers on one database, and what becomes of who waits at one of them when it ends. */

let database: TestDatabase;
let servers: ServerProcess[];
const workers: Worker[] = [];

beforeAll(async () => {
  database = await testDatabase();
  const settings = { DATABASE_URL: database.url };
  servers = await Promise.all([startServer(settings), startServer(settings)]);
});

afterAll(async () => {
  for (const worker of workers) await worker.stop({ graceMs: 0 });
  await stopEverything();
  await database.close();
});

const server = (index: number) => servers[index] as ServerProcess;

describe('who waits at a server', () => {
  it('that is killed goes on at another one: a worker for steps, a client for the end of a job', async () => {
    const [doomed, other] = [server(0), server(1)];
    const runs: string[] = [];
    const worker = new Worker({
      server: [doomed.url, other.url],
      name: 'patient',
      handleSignals: false,
      onEvent: () => {},
      actions: { patient: ({ claim }) => void runs.push(claim.id) },
    });
    workers.push(worker);
    await worker.start();
    const id = await submit(other, { name: 'delayed', delay: '1s', uses: 'patient' });
    const waiting = createClient({ server: [doomed.url, other.url] }).wait(id, { timeoutMs: 20_000 });
    await until(async () => (await metric(doomed, 'holdfast_claim_requests_waiting')) > 0);
    const killedAt = Date.now();
    await doomed.kill();
    const job = await waiting;
    expect(job).toMatchObject({ status: 'succeeded' });
    expect(runs).toHaveLength(1);
    // Not after the time of a long-poll, and not after that of a claim.
    expect(Date.parse(job.finished_at ?? '') - killedAt).toBeLessThan(4_000);
    await worker.stop();
  });

  it('that is told to stop is answered at once, with how things are', async () => {
    const last = server(1);
    const { json } = await send(last.port, 'POST', '/v1/workers', {
      body: { name: 'raw', uses: ['rare'] },
    });
    const id = await submit(last, { name: 'never', uses: 'rare-too' });
    const before = performance.now();
    const claims = send(last.port, 'POST', '/v1/claims', { body: { worker_id: json.id, wait: '30s' } });
    const job = send(last.port, 'GET', `/v1/jobs/${id}?wait=30s`);
    await until(async () => (await metric(last, 'holdfast_claim_requests_waiting')) > 0);
    const ended = last.kill('SIGTERM');
    expect(await claims).toMatchObject({ status: 200, json: { data: [], command: 'run' } });
    expect(await job).toMatchObject({ status: 200, json: { status: 'queued' } });
    expect((await ended).code).toBe(0);
    expect(performance.now() - before).toBeLessThan(10_000);
  });
});

async function metric(server: ServerProcess, name: string): Promise<number> {
  const { text } = await send(server.port, 'GET', '/metrics');
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
}
