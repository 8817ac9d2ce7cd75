import { fan } from '../shapes.ts';
import { type Bench, clear } from './bench.ts';
import { runJobs } from './run-jobs.ts';
import { seed } from './seed.ts';

const STEPS_A_JOB = 10;

/** Steps a second where much has finished and much waits for nobody, beside an empty server, in turn with it. */
export async function measureFullTables(bench: Bench): Promise<void> {
  const { finished, unserved, jobs } = bench.sizes;
  const empty = await bench.warm();
  const full = await bench.startAnother();
  const what = `${finished.toLocaleString('en-US')} finished, ${unserved.toLocaleString('en-US')} ready unserved`;
  bench.say(`seeding ${what}`);
  const ms =
    (await seed(full, { jobs: finished / STEPS_A_JOB, stepsPerJob: STEPS_A_JOB, status: 'succeeded' })) +
    (await seed(full, { jobs: unserved / STEPS_A_JOB, stepsPerJob: STEPS_A_JOB, status: 'ready' }));
  bench.say(`seeded in ${(ms / 1000).toFixed(1)} s`);
  const definition = { name: 'among many', steps: fan(8) };
  await bench.measure(
    [
      { what, unit: 'steps/s', note: `seeded in ${(ms / 1000).toFixed(1)} s` },
      { what: 'empty, in turn with it', unit: 'steps/s' },
      { what: 'full / empty', unit: '×' },
    ],
    async () => {
      const alone = await runJobs(empty, definition, jobs);
      await clear(empty);
      const among = await runJobs(full, definition, jobs);
      return [among.stepsPerSecond, alone.stepsPerSecond, among.stepsPerSecond / alone.stepsPerSecond];
    },
  );
}
