import pg from 'pg';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Results } from '../../bench/measure/figures.ts';
import { until } from '../../bench/measure/until.ts';
import { clear } from '../../bench/ours/bench.ts';
import { drain } from '../../bench/ours/drain.ts';
import { checkDone, named, numberOf, runJobs } from '../../bench/ours/run-jobs.ts';
import { runSections } from '../../bench/ours/run-sections.ts';
import { NOBODY, seed } from '../../bench/ours/seed.ts';
import { SIZES } from '../../bench/ours/sizes.ts';
import { type BenchServer, startBenchServer } from '../../bench/server.ts';
import { by, wide } from '../../bench/shapes.ts';

// Sizes at which nothing is measured but that it works.
const TINY = {
  ...SIZES.quick,
  ...{ warmUp: 2, jobs: 4, single: 4, giant: 600, together: [3], reads: 3, readJobs: 100 },
  ...{ jobSizes: [10, 20], jobSizeSteps: 40, backlogs: [0, 20], histories: [0, 20] },
};

async function run(...names: string[]): Promise<Results> {
  const running = runSections(names, TINY, () => {});
  onTestFinished(running.end);
  const results = await running.results;
  expect(results.figures.filter((figure) => figure.void !== undefined)).toEqual([]);
  for (const { what, values } of results.figures)
    expect(Math.min(...values), what).toBeGreaterThanOrEqual(/CPU|p50/.test(what) ? 0 : Number.MIN_VALUE);
  return results;
}

test('growth gives curves, and reading gives times', async () => {
  const { figures, curves, machine } = await run('growth', 'reads');
  expect(curves.map(({ series }) => series.map(({ points }) => points.map(({ x }) => x)))).toEqual([
    ...Array(2).fill(Array(3).fill([10, 20])),
    ...Array(2).fill(Array(3).fill([0, 20])),
  ]);
  expect(figures.filter(({ section }) => section === 'reads')).toHaveLength(22);
  expect(machine.postgres).toMatch(/^\d+/);
});

let server: BenchServer;
beforeAll(async () => {
  server = await startBenchServer();
});
afterAll(() => server?.stop());

test('work that waits in the queue is drained by a server that was held still meanwhile', async () => {
  const [rate] = await drain(server, { name: 'waits', steps: wide(3), jobs: 4 });
  expect(rate).toBeGreaterThan(0);
  expect(await numberOf(server, `select count(*) from worker where kind = 'server'`)).toBe(1);
});

test('tables are emptied also when somebody takes them in another order', async () => {
  const { host, port, user, database } = server.database;
  const other = new pg.Client({ host, port, user, database, password: String(server.database.password) });
  await other.connect();
  onTestFinished(() => other.end());
  await runJobs(server, { name: 'there', steps: wide(1) }, 1);
  await other.query('begin; lock table step in access share mode');
  const cleared = clear(server);
  const waits = `select 1 from pg_stat_activity where query like 'truncate%' and wait_event_type = 'Lock'`;
  await until(async () => (await other.query(waits)).rowCount === 1);
  await other.query('lock table job in access share mode; commit');
  await cleared;
  expect(await numberOf(server, 'select count(*) from job')).toBe(0);
});

test('a run counts only when every job succeeded and every step ran once', async () => {
  const definition = { name: 'counted', steps: wide(3) };
  const done = await runJobs(server, definition, 2);
  expect(done.steps).toBe(6);
  await expect(checkDone(server, { ...definition, name: done.name }, 3)).rejects.toThrow(
    'jobs: 2 instead of 3',
  );
  await server.database.query('update step set attempt = 2 where ordinal = 1');
  await expect(checkDone(server, { ...definition, name: done.name }, 2)).rejects.toThrow(
    'again: 2 instead of 0',
  );
  const failing = { name: 'failing', steps: [{ name: 'one', uses: 'shell', with: { run: 'exit 1' } }] };
  await expect(runJobs(server, failing, 1)).rejects.toThrow('succeeded: 0 instead of 1');
});

test('what is seeded is what the engine could have left, and stays as it is', async () => {
  await seed(server, { jobs: 100, stepsPerJob: 3, status: 'succeeded', failedPercent: 2 });
  await seed(server, { jobs: 10, stepsPerJob: 3, status: 'ready' });
  const own = named({ name: 'beside', steps: by('value', wide(2)) });
  await runJobs(server, own, 1);
  const count = (text: string) => numberOf(server, `select count(*) from ${text}`);
  expect(await count(`job where name like 'seeded%' and status = 'succeeded'`)).toBe(98);
  expect(await count(`job where status = 'failed' and steps_failed = 1 and name like 'seeded%'`)).toBe(2);
  expect(await count(`step where uses = '${NOBODY}' and status = 'ready'`)).toBe(30);
  const recounted = `job j where steps_succeeded <>
    (select count(*) from step s where s.job_id = j.id and s.status = 'succeeded')`;
  expect(await count(recounted)).toBe(0);
});
