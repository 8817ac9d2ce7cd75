import { setTimeout as pause } from 'node:timers/promises';
import { VoidTry } from '../measure/figures.ts';
import { createLoadClient } from '../measure/load-client.ts';
import { quantile } from '../measure/quantile.ts';
import type { BenchServer } from '../server.ts';
import { fan } from '../shapes.ts';
import { type Bench, clear } from './bench.ts';
import { checkDone, type Definition, named, runJobs, submitSingly, untilDone } from './run-jobs.ts';

const CONNECTIONS = 50;
const SHAPE = { name: 'steady', steps: fan(8) };

/**
 * Ten-step jobs that come by the clock, one a request, at half the rate at which the server can take and run them. Who
 * sends does not wait for answers, so what piles up is seen as waiting.
 */
export async function measureSteady(bench: Bench): Promise<void> {
  const server = await bench.warm();
  const { jobs, steadySeconds } = bench.sizes;
  let capacity = 0;
  await bench.measure([{ what: 'capacity, fan 1-8-1, one a request', unit: 'jobs/s' }], async () => {
    const run = await runJobs(server, SHAPE, jobs, (own) => submitSingly(server, own, jobs));
    await clear(server);
    const rate = (jobs * 1000) / run.ms;
    capacity = capacity === 0 ? rate : Math.min(rate, capacity);
    return [rate];
  });
  const rate = Math.max(1, Math.floor(capacity / 2));
  const count = Math.ceil(rate * steadySeconds);
  const figure = (what: string) => {
    const sample = what.startsWith('ready') ? `${count * SHAPE.steps.length} steps` : `${count} jobs`;
    return { what, unit: 'ms', note: `${rate} jobs/s, ${sample} a try` };
  };
  await bench.measure(
    ['ready to started', 'submit to done', 'due to answered'].flatMap((what) => [
      figure(`${what}, p50`),
      figure(`${what}, p99`),
    ]),
    async () => {
      const values = await steady(server, named(SHAPE), { rate, count });
      await clear(server);
      return values;
    },
  );
}

async function steady(
  server: BenchServer,
  definition: Definition,
  { rate, count }: { rate: number; count: number },
): Promise<number[]> {
  const answered = await sendBySchedule(server, definition, { rate, count });
  await untilDone(server, definition.name);
  await checkDone(server, definition, count);
  const { rows } = await server.database.query<{ started: number[]; done: number[] }>(
    `select
       (select percentile_cont(array[0.5, 0.99]) within group
          (order by extract(epoch from s.started_at - s.ready_at) * 1000)
        from step s join job j on j.id = s.job_id where j.name = $1) as started,
       (select percentile_cont(array[0.5, 0.99]) within group
          (order by extract(epoch from finished_at - created_at) * 1000)
        from job where name = $1) as done`,
    [definition.name],
  );
  const { started = [], done = [] } = rows[0] ?? {};
  return [...started, ...done, quantile(answered, 0.5), quantile(answered, 0.99)];
}

/** Milliseconds of each, from the moment at which it was due, whether it was sent then or not. */
async function sendBySchedule(
  server: BenchServer,
  definition: Definition,
  { rate, count }: { rate: number; count: number },
): Promise<number[]> {
  const body = JSON.stringify(definition);
  const client = createLoadClient(server.url, CONNECTIONS);
  const times: Promise<number | Error>[] = [];
  try {
    const from = performance.now();
    while (times.length < count) {
      const due = Math.min(count, ((performance.now() - from) * rate) / 1000);
      while (times.length < due) {
        const dueAt = from + (times.length * 1000) / rate;
        const answered = client.post('/v1/jobs', body).then(() => performance.now() - dueAt);
        times.push(answered.catch((error: Error) => error));
      }
      await pause(1);
    }
    return (await Promise.all(times)).map((time) => {
      if (time instanceof Error) throw new VoidTry(`a job was refused: ${time.message}`);
      return time;
    });
  } finally {
    await client.close();
  }
}
