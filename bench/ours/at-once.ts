import { quantile } from '../measure/quantile.ts';
import { fan } from '../shapes.ts';
import { type Bench, clear } from './bench.ts';
import { runJobs, submitSingly } from './run-jobs.ts';
import { giantShapes, smallShapes } from './shapes-of.ts';

/** Steps a second from the first submit to the last end: jobs come, in batches, while others run. */
export async function measureBothAtOnce(bench: Bench): Promise<void> {
  const server = await bench.warm();
  for (const { jobs, ...definition } of [...smallShapes(bench.sizes), ...giantShapes(bench.sizes)]) {
    await bench.measure([{ what: definition.name, unit: 'steps/s' }], async () => {
      const run = await runJobs(server, definition, jobs);
      await clear(server);
      return [run.stepsPerSecond];
    });
  }
  const { jobs } = bench.sizes;
  await bench.measure([{ what: 'fan 1-8-1, one a request, 10 clients', unit: 'steps/s' }], async () => {
    const definition = { name: 'singly', steps: fan(8) };
    const run = await runJobs(server, definition, jobs, (own) => submitSingly(server, own, jobs));
    await clear(server);
    return [run.stepsPerSecond];
  });
}

/** So many jobs at the same moment: how fast they run, and how long the slowest of them take. */
export async function measureTogether(bench: Bench): Promise<void> {
  const server = await bench.warm();
  for (const jobs of bench.sizes.together) {
    const what = `${jobs} jobs of 10 (fan 1-8-1)`;
    await bench.measure(
      [
        { what, unit: 'steps/s' },
        { what: `${what}, submit to done, p50`, unit: 'ms' },
        { what: `${what}, submit to done, p99`, unit: 'ms' },
      ],
      async () => {
        const run = await runJobs(server, { name: 'together', steps: fan(8) }, jobs);
        const { rows } = await server.database.query<{ ms: number }>(
          `select (extract(epoch from finished_at - created_at) * 1000)::float8 as ms from job where name = $1`,
          [run.name],
        );
        await clear(server);
        const times = rows.map(({ ms }) => ms);
        return [run.stepsPerSecond, quantile(times, 0.5), quantile(times, 0.99)];
      },
    );
  }
}
