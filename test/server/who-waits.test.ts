import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient, Worker } from '../../client/src/index.ts';
import { send } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { newDataDir, until } from '../support/embedded.ts';
import { type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';
import { submit, untilJob } from './steps-that-count.ts';

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

  it('that is told to stop is answered at once; what runs may still be extended and ended there', async () => {
    const last = server(1);
    const post = (path: string, body?: object) => send(last.port, 'POST', `/v1${path}`, { body });
    const { json } = await post('/workers', { name: 'raw', uses: ['rare'] });
    const id = await submit(last, { name: 'never', uses: 'rare-too' });
    const gate = join(newDataDir({ mode: 0o700 }), 'gate');
    const run = 'while [ ! -e "$GATE" ]; do sleep 0.1; done';
    // It keeps the server from ending before all has been said.
    const long = await submit(last, { name: 'long', uses: 'shell', with: { run, env: { GATE: gate } } });
    await untilJob(last, long, ({ status }) => status === 'running');
    const held = await submit(last, { name: 'held', uses: 'rare' });
    const ask = { worker_id: json.id, wait: '30s' };
    const claim = (await post('/claims', ask)).json.data[0].id;
    const before = performance.now();
    const claims = post('/claims', ask);
    const job = send(last.port, 'GET', `/v1/jobs/${id}?wait=30s`);
    await until(async () => (await metric(last, 'holdfast_claim_requests_waiting')) > 0);
    const ended = last.kill('SIGTERM');
    expect(await claims).toMatchObject({ status: 200, json: { data: [], command: 'run' } });
    expect(await job).toMatchObject({ status: 200, json: { status: 'queued' } });
    const refused = await post('/claims', ask);
    expect([refused.status, refused.json.code]).toEqual([503, 'shutting_down']);
    expect(refused.headers['retry-after']).toMatch(/^\d+$/);
    expect((await post(`/claims/${claim}/extend`)).json.action).toBe('continue');
    expect((await post(`/claims/${claim}/complete`, { output: 1 })).json.outcome).toBe('succeeded');
    expect((await send(last.port, 'GET', `/v1/jobs/${held}`)).json.status).toBe('succeeded');
    writeFileSync(gate, '');
    expect((await ended).code).toBe(0);
    expect(performance.now() - before).toBeLessThan(10_000);
  });
});

async function metric(server: ServerProcess, name: string): Promise<number> {
  const { text } = await send(server.port, 'GET', '/metrics');
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
}
