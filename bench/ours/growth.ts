import { cpuOf, cpuOfPostgres } from '../measure/process-use.ts';
import { median } from '../measure/quantile.ts';
import type { BenchServer } from '../server.ts';
import { chain, fan } from '../shapes.ts';
import { type Bench, clear } from './bench.ts';
import { type Definition, runJobs } from './run-jobs.ts';
import { type Seed, seed } from './seed.ts';

const SEEDED_STEPS = 10;
const SHAPE = { name: 'growth', steps: fan(8) };
const KINDS = ['wall', 'CPU of the server', 'CPU of Postgres'] as const;

interface Point {
  x: number;
  /** Microseconds a step, of each kind, of each try. */
  tries: number[][];
}

/** What a step costs, by the size of its job, by what waits beside it, and by what has finished before. */
export async function measureGrowth(bench: Bench): Promise<void> {
  const server = await bench.warm();
  await jobSize(bench, server, 'fan', (steps) => fan(steps - 2));
  await jobSize(bench, server, 'chain', chain);
  await tableSize(bench, server, 'backlog', bench.sizes.backlogs, 'ready');
  await tableSize(bench, server, 'history', bench.sizes.histories, 'succeeded');
}

async function jobSize(
  bench: Bench,
  server: BenchServer,
  shape: string,
  stepsOf: (steps: number) => Definition['steps'],
): Promise<void> {
  const points: Point[] = [];
  for (const x of bench.sizes.jobSizes) {
    const jobs = Math.max(1, Math.round(bench.sizes.jobSizeSteps / x));
    const definition = { name: `growth ${shape}`, steps: stepsOf(x) };
    const what = `${shape}s of ${x.toLocaleString('en-US')} steps`;
    points.push(await point(bench, server, { what, x, definition, jobs, clearAfter: true }));
  }
  keep(bench, { title: `Cost of a step by the size of its job: ${shape}`, xAxis: 'steps of a job', points });
}

async function tableSize(
  bench: Bench,
  server: BenchServer,
  kind: string,
  sizes: readonly number[],
  status: Seed['status'],
): Promise<void> {
  const points: Point[] = [];
  let there = 0;
  await clear(server);
  for (const x of sizes) {
    const what = `${kind} of ${x.toLocaleString('en-US')} steps`;
    bench.say(`seeding a ${what}`);
    await seed(server, { jobs: (x - there) / SEEDED_STEPS, stepsPerJob: SEEDED_STEPS, status });
    there = x;
    const { jobs } = bench.sizes;
    points.push(await point(bench, server, { what, x, definition: SHAPE, jobs, clearAfter: false }));
  }
  await clear(server);
  keep(bench, { title: `Cost of a step by ${kind}`, xAxis: `steps in the ${kind}`, points });
}

async function point(
  bench: Bench,
  server: BenchServer,
  given: { what: string; x: number; definition: Definition; jobs: number; clearAfter: boolean },
): Promise<Point> {
  const { what, x, definition, jobs, clearAfter } = given;
  const tries: number[][] = [];
  await bench.measure(
    KINDS.map((kind) => ({ what: `${what}: ${kind}`, unit: 'µs/step' })),
    async () => {
      const before = [cpuOf(server.pid), cpuOfPostgres(server.postgresPid)] as const;
      const run = await runJobs(server, definition, jobs);
      const spent = [run.ms, cpuOf(server.pid) - before[0], cpuOfPostgres(server.postgresPid) - before[1]];
      if (clearAfter) await clear(server);
      const values = spent.map((ms) => (ms * 1000) / run.steps);
      tries.push(values);
      return values;
    },
  );
  return { x, tries };
}

function keep(
  bench: Bench,
  { title, xAxis, points }: { title: string; xAxis: string; points: Point[] },
): void {
  const measured = points.filter(({ tries }) => tries.length > 0);
  bench.keepCurve({
    title,
    xAxis,
    unit: 'µs a step',
    series: KINDS.map((name, kind) => ({
      name,
      points: measured.map(({ x, tries }) => ({ x, y: median(tries.map((values) => values[kind] ?? 0)) })),
    })),
  });
}
