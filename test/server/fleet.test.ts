import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient, Worker } from '../../client/src/index.ts';
import { type FleetRun, runFleet } from '../fleet/run-fleet.ts';
import { judgeFleet, type Verdict } from '../fleet/verdict.ts';
import { send } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { newDataDir, until } from '../support/embedded.ts';
import { type ServerProcess, stopEverything } from '../support/server-process.ts';
import { submit } from './steps-that-count.ts';

/**
 * The short form of `scripts/proof-fleet.ts`: servers on one database, workers that know one of them or all, and what
 * becomes of the work and of who waits when a server ends.
 */

let database: TestDatabase;
let run: FleetRun;
let verdict: Verdict;
const workers: Worker[] = [];

beforeAll(async () => {
  database = await testDatabase();
  run = await runFleet(
    {
      servers: 2,
      workers: 3,
      processes: false,
      steps: 400,
      pauseMs: 600,
      happens: [
        // Long enough for the other one to notice.
        { what: 'kill', server: 0, awayMs: 2_500 },
        { what: 'stop', server: 1, awayMs: 0 },
      ],
      deadlineMs: 60_000,
    },
    {
      databaseUrl: database.url,
      folder: newDataDir(),
      signal: AbortSignal.timeout(90_000),
      say: () => {},
    },
  );
  verdict = await judgeFleet(database.db, run);
}, 120_000);

afterAll(async () => {
  for (const worker of workers) await worker.stop({ graceMs: 0 });
  await stopEverything();
  await database.close();
});

const figure = (what: string) => verdict.figures.find(([name]) => name.startsWith(what))?.[1];

/** The life of a server that goes on. */
function living(server: string): ServerProcess {
  const life = run.lives.findLast((one) => one.server === server);
  if (life === undefined || life.end !== undefined) throw new Error(`${server} does not live`);
  return life.process;
}

describe('servers on one database, of which one is killed and one is stopped, and both start again', () => {
  it('lose no step, accept no result twice, and give no step an output that was not accepted', () => {
    expect(verdict.wrong).toEqual([]);
    expect(run.lives.map(({ server, end }) => [server, end?.by])).toEqual([
      ['server 1', 'SIGKILL'],
      ['server 2', 'SIGTERM'],
      ['server 1', undefined],
      ['server 2', undefined],
    ]);
    expect(run.load.steps).toBeGreaterThanOrEqual(400);
  });

  it('take over within 5 s what the pool of the killed one ran', () => {
    // That none took longer is part of the verdict.
    expect(run.lives[0]?.end?.held).toBeGreaterThan(0);
    expect(figure('server 1, killed')).toMatch(/^[1-9]\d*, the last after \d+ ms$/);
  });

  it('refuse what is settled after its claim was lost', () => {
    expect(figure('late results refused')).toMatch(/^[1-9]\d* \(\d+ × 409 claim_lost/);
  });
});

describe('who waits at a server', () => {
  it('that is killed goes on at another one: a worker for steps, a client for the end of a job', async () => {
    const [doomed, other] = [living('server 1'), living('server 2')];
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
    const server = living('server 2');
    const { json } = await send(server.port, 'POST', '/v1/workers', {
      body: { name: 'raw', uses: ['rare'] },
    });
    const id = await submit(server, { name: 'never', uses: 'rare-too' });
    const before = performance.now();
    const claims = send(server.port, 'POST', '/v1/claims', { body: { worker_id: json.id, wait: '30s' } });
    const job = send(server.port, 'GET', `/v1/jobs/${id}?wait=30s`);
    await until(async () => (await metric(server, 'holdfast_claim_requests_waiting')) > 0);
    const ended = server.kill('SIGTERM');
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
