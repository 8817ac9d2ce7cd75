/**
 * graphile-worker, configured as its page on performance says: 24 jobs at once, 25 connections, a local queue of 500,
 * completions gathered with a delay of 0 ms; added by `addJobs`, 1,000 a call. One process.
 *
 * It has no dependencies. Independent jobs are its own ground, and the ceiling. For graphs there is a table of steps by
 * hand: the task of a step calls one SQL function that marks the step, counts down the needs of its dependents and adds
 * those that are free by `graphile_worker.add_job`, in one transaction.
 *
 * Durable: every write is committed with fsync. Completed jobs are deleted. What ran but was not yet written as complete
 * when a worker dies stays locked (for four hours, by default) and runs again.
 */
import { makeWorkerUtils, type Runner, run } from 'graphile-worker';
import pg from 'pg';
import { type Contestant, needsOf, type Open } from '../contestant.ts';
import { createTally, inParallel, portions, watch } from '../tally.ts';

const JOBS_A_CALL = 1_000;
const CALLS = 4;

const GRAPH = `
  create table bench_step (
    job int, step int, unmet int not null, dependents int[] not null, done boolean not null default false,
    primary key (job, step)
  ) with (fillfactor = 70);
  create function bench_end(which int, what int) returns void language sql as $$
    with ended as (
      update bench_step set done = true where job = which and step = what and not done returning dependents
    ), freed as (
      update bench_step s set unmet = s.unmet - 1 from ended
      where s.job = which and s.step = any(ended.dependents) returning s.step, s.unmet
    )
    select graphile_worker.add_job('step', json_build_array(which, step)) from freed where unmet = 0
  $$;`;

const quiet = () => {};

export const open: Open = async ({ url, shape, jobs }) => {
  const utils = await makeWorkerUtils({ connectionString: url });
  await utils.migrate();
  const watcher = await watch(url);
  const tally = createTally(jobs, shape);
  const needs = needsOf(shape);
  const graph = needs.length > 1;
  let runner: Runner | undefined;
  const pool = new pg.Pool({ connectionString: url, max: 25 });
  pool.on('error', quiet);

  const addSteps = async (numbers: readonly number[]) => {
    const rows = numbers.flatMap((job) => needs.map((list, step) => [job, step, list.length] as const));
    const dependents = needs.map((_, step) =>
      needs.flatMap((list, other) => (list.includes(step) ? [other] : [])),
    );
    await pool.query(
      `insert into bench_step (job, step, unmet, dependents)
       select job, step, unmet, array(select json_array_elements_text($4::json -> step)::int)
       from unnest($1::int[], $2::int[], $3::int[]) as row (job, step, unmet)`,
      [
        rows.map(([job]) => job),
        rows.map(([, step]) => step),
        rows.map((row) => row[2]),
        JSON.stringify(dependents),
      ],
    );
  };

  const add = async (numbers: readonly number[]) => {
    if (graph) await addSteps(numbers);
    await utils.addJobs(numbers.map((job) => ({ identifier: 'step', payload: [job, 0] })));
  };

  return {
    prepare: async () => {
      if (graph) await pool.query(GRAPH);
    },
    submit: async () => {
      const calls = portions(jobs, JOBS_A_CALL);
      await inParallel(calls.length, CALLS, (index) => add(calls[index] ?? []));
    },
    alone: async (job) => {
      const ran = tally.lastRan(job);
      await add([job]);
      await ran;
    },
    drain: async (started) => {
      started();
      runner = await run({
        pgPool: pool,
        noHandleSignals: true,
        parsedCronItems: [],
        preset: {
          worker: {
            concurrentJobs: 24,
            maxPoolSize: 25,
            localQueue: { size: 500 },
            completeJobBatchDelay: 0,
            failJobBatchDelay: 0,
          },
        },
        taskList: {
          step: async (payload, helpers) => {
            const [job, step] = payload as [number, number];
            tally.ran(job, step);
            if (!graph) return;
            await helpers.withPgClient((client) =>
              client.query({ name: 'end', text: 'select bench_end($1, $2)', values: [job, step] }),
            );
          },
        },
      });
      await watcher.until('select not exists (select from graphile_worker._private_jobs)');
      return undefined;
    },
    verify: async () => {
      const verdict = tally.verdict(watcher.looked());
      if (!graph) return verdict;
      const [found] = await watcher.rows<{ open: number }>(
        'select count(*)::int as open from bench_step where not done',
      );
      const wrong = found?.open === 0 ? [] : [`${found?.open} steps were not marked as done`];
      return { ...verdict, wrong: [...verdict.wrong, ...wrong], watched: watcher.looked() };
    },
    close: async () => {
      await runner?.stop();
      await utils.release();
      await watcher.close();
      await pool.end().catch(quiet);
    },
  } satisfies Contestant;
};
