import { VoidTry } from '../measure/figures.ts';
import { createLoadClient } from '../measure/load-client.ts';
import { quantile } from '../measure/quantile.ts';
import type { BenchServer } from '../server.ts';
import { by, chain, wide } from '../shapes.ts';
import { type Bench, clear } from './bench.ts';
import { type Definition, named } from './run-jobs.ts';
import { withWorkers } from './with-workers.ts';

/** One job after the other on an idle system: how long until it is done. */
export async function measureIdleLatency(bench: Bench): Promise<void> {
  const server = await bench.warm();
  const both = async (where: string, uses: string) => {
    await latency(bench, server, `single step, ${where}`, by(uses, wide(1)));
    await latency(bench, server, `chain of 10, ${where}`, by(uses, chain(10)));
  };
  await both('in the server', 'value');
  await withWorkers(server, { count: 1, concurrency: 1 }, () => both('one remote worker', 'noop'));
}

async function latency(
  bench: Bench,
  server: BenchServer,
  what: string,
  steps: Definition['steps'],
): Promise<void> {
  const count = bench.sizes.idle;
  const note = `${count} jobs a try`;
  await bench.measure(
    [
      { what: `${what}, POST to answer, p50`, unit: 'ms', note },
      { what: `${what}, POST to answer, p99`, unit: 'ms', note },
      { what: `${what}, submit to done in the database, p50`, unit: 'ms', note },
      { what: `${what}, submit to done in the database, p99`, unit: 'ms', note },
    ],
    async () => {
      const outside = await oneByOne(server, named({ name: what, steps }), count);
      const { rows } = await server.database.query<{ ms: number }>(
        'select (extract(epoch from finished_at - created_at) * 1000)::float8 as ms from job',
      );
      await clear(server);
      const inside = rows.map(({ ms }) => ms);
      return [outside, inside].flatMap((times) => [quantile(times, 0.5), quantile(times, 0.99)]);
    },
  );
}

/** Milliseconds of each, from the POST to the answer. */
async function oneByOne(server: BenchServer, definition: Definition, count: number): Promise<number[]> {
  const body = JSON.stringify(definition);
  const client = createLoadClient(server.url, 1);
  const times: number[] = [];
  try {
    // The first ones pay for the connection and for what is compiled.
    for (let n = -5; n < count; n += 1) {
      const from = performance.now();
      const job = (await client.ask('/v1/jobs?wait=30s', body)) as { status: string };
      if (job.status !== 'succeeded') throw new VoidTry(`a job was ${job.status} when it was answered`);
      if (n >= 0) times.push(performance.now() - from);
    }
  } finally {
    await client.close();
  }
  return times;
}
