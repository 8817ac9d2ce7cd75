import { setTimeout as pause } from 'node:timers/promises';
import { readDatabaseUse, STATISTICS_LATE_MS, useBetween } from '../measure/database-use.ts';
import { cpuOf, cpuOfPostgres, memoryOf, memoryOfPostgres, watchPeak } from '../measure/process-use.ts';
import { fan } from '../shapes.ts';
import type { Bench } from './bench.ts';
import { runJobs, submitSingly } from './run-jobs.ts';

const SHAPE = { name: 'cost', steps: fan(8) };

/**
 * What a step costs: ten-step jobs, empty outputs, one a request by ten clients while they run, submit included. The
 * server's own ticking, some transactions a second, is in it, and so is the wait for late statistics.
 */
export async function measureCost(bench: Bench): Promise<void> {
  const server = await bench.warm();
  const { jobs } = bench.sizes;
  const each = (what: string, unit: string) => ({ what: `${what} a step`, unit });
  const memory = {
    server: watchPeak(() => memoryOf(server.pid)),
    postgres: postgresPeak(server.postgresPid),
  };
  await pause(STATISTICS_LATE_MS);
  await server.database.query('checkpoint');
  const start = await readDatabaseUse(server.database);
  let steps = 0;
  await bench.measure(
    [
      each('writing transactions', ''),
      each('WAL', 'KB'),
      each('CPU of the server', 'µs'),
      each('CPU of Postgres', 'µs'),
      each('CPU of the generator of load (not in the others)', 'µs'),
      { what: 'steps a second meanwhile', unit: 'steps/s' },
    ],
    async () => {
      const before = await readDatabaseUse(server.database);
      const cpu = [cpuOf(server.pid), cpuOfPostgres(server.postgresPid), cpuOf(process.pid)];
      const run = await runJobs(server, SHAPE, jobs, (own) => submitSingly(server, own, jobs));
      const spent = [cpuOf(server.pid), cpuOfPostgres(server.postgresPid), cpuOf(process.pid)].map(
        (ms, index) => ((ms - (cpu[index] ?? 0)) * 1000) / run.steps,
      );
      const use = useBetween(before, await readDatabaseUse(server.database));
      steps += run.steps;
      return [use.writing / run.steps, use.walBytes / run.steps / 1024, ...spent, run.stepsPerSecond];
    },
  );
  await pause(STATISTICS_LATE_MS);
  const note = 'of all tries together';
  await bench.measure(
    [
      { ...each('commits, also of what only reads,', ''), note },
      { ...each('rows inserted', ''), note },
      { ...each('rows updated', ''), note },
      { ...each('of those, indexes left alone,', ''), note },
      { ...each('rows deleted', ''), note },
      { what: 'peak memory of the server', unit: 'MB', note },
      { what: 'peak memory of Postgres', unit: 'MB', note },
    ],
    async () => {
      const use = useBetween(start, await readDatabaseUse(server.database));
      const counted = [use.commits, use.inserted, use.updated, use.hot, use.deleted];
      return [...counted.map((count) => count / steps), memory.server.end(), memory.postgres.end()];
    },
    1,
  );
}

function postgresPeak(postmaster: number) {
  return watchPeak(() => memoryOfPostgres(postmaster));
}
