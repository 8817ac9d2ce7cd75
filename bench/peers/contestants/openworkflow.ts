/**
 * OpenWorkflow: a workflow function whose steps are checkpointed in PostgreSQL. Chain: ten `step.run` one after the other;
 * fan: one, eight under `Promise.all`, one. Submitted by `run`, one at a time (it has no bulk form), 20 at once.
 *
 * Chosen: one worker process with a concurrency of 100 on ten connections, its default. Its polling (100 ms when idle,
 * up to 1 s) cannot be set. All steps of a workflow run in one process.
 *
 * Durable: each step is committed with fsync when it begins and when it ends. A workflow whose worker died is taken by
 * another after 30 s and goes on after its last recorded step.
 */
import { OpenWorkflow } from 'openworkflow';
import { BackendPostgres } from 'openworkflow/postgres';
import type { Contestant, Open } from '../contestant.ts';
import { createTally, inParallel, watch } from '../tally.ts';
import { walk } from '../walk.ts';

const CALLS = 20;
const CONCURRENCY = 100;

export const open: Open = async ({ url, shape, jobs }) => {
  const backend = await BackendPostgres.connect(url);
  const client = new OpenWorkflow({ backend });
  const tally = createTally(jobs, shape);
  const workflow = client.defineWorkflow<{ job: number }, null>(
    { name: 'bench' },
    async ({ input, step }) => {
      await walk(shape, (number) => step.run({ name: `s${number}` }, () => tally.ran(input.job, number)));
      return null;
    },
  );
  const worker = client.newWorker({ concurrency: CONCURRENCY });
  const watcher = await watch(url);

  return {
    prepare: async () => {},
    submit: () => inParallel(jobs, CALLS, (job) => workflow.run({ job })),
    drain: async (started) => {
      started();
      await worker.start();
      await watcher.until(
        `select not exists (select from openworkflow.workflow_runs where finished_at is null)`,
      );
      return undefined;
    },
    alone: async (job) => {
      const ran = tally.lastRan(job);
      await workflow.run({ job });
      await ran;
    },
    verify: async () => {
      const [found] = await watcher.rows<{ runs: number; steps: number }>(
        `select (select count(*)::int from openworkflow.workflow_runs where status = 'completed') as runs,
           (select count(*)::int from openworkflow.step_attempts where status = 'completed') as steps`,
      );
      const verdict = tally.verdict(watcher.looked());
      const wrong = [
        ...(found?.runs === jobs ? [] : [`${found?.runs} of ${jobs} workflows completed`]),
        ...(found?.steps === verdict.ran ? [] : [`${found?.steps} steps are stored`]),
      ];
      return { ...verdict, wrong: [...verdict.wrong, ...wrong] };
    },
    close: async () => {
      await worker.stop();
      await backend.stop();
      await watcher.close();
    },
  } satisfies Contestant;
};
