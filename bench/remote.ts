/**
 * Steps through remote workers, printed: `npm run bench:remote`. One server process, worker processes that speak HTTP
 * to it; each rate stands beside the rate of the server's own pool in the same run, since machines vary.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createClient } from '../client/src/index.ts';
import { type BenchServer, startBenchServer } from './server.ts';
import { chain, fan } from './shapes.ts';

const JOBS = Number(process.env.JOBS ?? 500);
const WORKERS = numbers(process.env.WORKERS ?? '1,4,8');
const BATCHES = numbers(process.env.BATCHES ?? '1,20,100');
const IDLE_JOBS = 40;

function numbers(list: string): number[] {
  return list.split(',').map(Number);
}

const by = (uses: string, steps: readonly { name: string; needs: string[] }[]) =>
  steps.map((step) => ({ ...step, uses }));

function print(what: string, value: string): void {
  process.stdout.write(`${what.padEnd(58)} ${value}\n`);
}

/** Runs jobs to their end, submit included; steps a second. */
async function rate(server: BenchServer, uses: string, jobs: number): Promise<number> {
  const client = createClient({ server: server.url });
  const definition = { name: `rate ${uses}`, steps: by(uses, fan(8)) };
  const from = performance.now();
  for (let left = jobs; left > 0; left -= 100)
    await client.submitBatch(Array.from({ length: Math.min(100, left) }, () => definition));
  for (;;) {
    const { rows } = await server.database.query('select 1 from job where finished_at is null limit 1');
    if (rows.length === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return (jobs * 10 * 1000) / (performance.now() - from);
}

/** Median milliseconds from POST to answer of a chain of ten, one at a time. */
async function idle(server: BenchServer, uses: string): Promise<number> {
  const client = createClient({ server: server.url });
  const times: number[] = [];
  for (let i = 0; i < IDLE_JOBS; i += 1) {
    const from = performance.now();
    const job = await client.submit({ name: 'idle', steps: by(uses, chain(10)) }, { waitMs: 30_000 });
    if (job.status !== 'succeeded') throw new Error(`a chain ended ${job.status}`);
    times.push(performance.now() - from);
  }
  return times.sort((a, b) => a - b)[times.length >> 1] as number;
}

async function withWorkers<Result>(
  server: BenchServer,
  options: { count: number; concurrency: number },
  body: () => Promise<Result>,
): Promise<Result> {
  const children: ChildProcess[] = Array.from({ length: options.count }, () =>
    spawn(process.execPath, [join(import.meta.dirname, 'remote-worker.ts')], {
      env: { ...process.env, SERVER: server.url, CONCURRENCY: String(options.concurrency) },
      stdio: ['ignore', 'ignore', 'inherit'],
    }),
  );
  try {
    const client = createClient({ server: server.url });
    for (;;) {
      const { data } = await client.workers({ status: ['live'] });
      if (data.filter(({ kind }) => kind === 'remote').length >= options.count) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return await body();
  } finally {
    for (const child of children) child.kill('SIGTERM');
    await Promise.all(children.map((child) => child.exitCode ?? once(child, 'exit')));
  }
}

const server = await startBenchServer({ LOG_LEVEL: 'info' });
try {
  await rate(server, 'value', JOBS);
  const own = await idle(server, 'value');
  const remote = await withWorkers(server, { count: 1, concurrency: 1 }, () => idle(server, 'noop'));
  print('idle chain of 10, p50, POST to answer, in the server', `${own.toFixed(1)} ms`);
  print('idle chain of 10, p50, one remote worker', `${remote.toFixed(1)} ms`);
  for (const count of WORKERS) {
    for (const concurrency of BATCHES) {
      const inside = await rate(server, 'value', JOBS);
      const jobs = concurrency === 1 ? Math.ceil(JOBS / 5) : JOBS;
      const outside = await withWorkers(server, { count, concurrency }, () => rate(server, 'noop', jobs));
      print(
        `fan 1-8-1, ${count} remote worker${count === 1 ? '' : 's'}, batch ${concurrency}`,
        `${outside.toFixed(0)} steps/s, ${(outside / inside).toFixed(2)} x the server's own ${inside.toFixed(0)}`,
      );
    }
  }
} finally {
  await server.stop();
}
