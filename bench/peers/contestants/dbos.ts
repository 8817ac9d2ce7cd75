/**
 * DBOS: a workflow function whose steps are checkpointed in PostgreSQL. Chain: ten `runStep` one after the other; fan: one, eight
 * under `Promise.all`, one. Submitted by `DBOSClient.enqueue`, one at a time (it has no bulk form), 20 at once.
 *
 * Chosen: a queue that is asked every 10 ms (1 s by default), 100 workflows at once, a pool of 20 connections, no
 * tracing. All steps of a workflow run in one process; so they do not travel between workers. One process.
 *
 * Durable: each step's result is committed with fsync before the next begins. A workflow that was cut off is started again and
 * goes on after its last recorded step; what ran without being recorded runs again.
 */
import { DBOS, DBOSClient } from '@dbos-inc/dbos-sdk';
import type { Contestant, Open } from '../contestant.ts';
import { createTally, inParallel, watch } from '../tally.ts';
import { walk } from '../walk.ts';

const QUEUE = 'bench';
const CALLS = 20;
const VERSION = 'bench';
const silent = () => {};
const logger = { info: silent, debug: silent, warn: silent, error: (text: unknown) => console.error(text) };

export const open: Open = async ({ url, shape, jobs }) => {
  const tally = createTally(jobs, shape);
  const workflow = DBOS.registerWorkflow(
    async (job: number) => {
      await walk(shape, (number) => DBOS.runStep(async () => tally.ran(job, number), { name: `s${number}` }));
    },
    { name: 'bench' },
  );
  const configuration = {
    name: 'bench',
    systemDatabaseUrl: url,
    systemDatabasePoolSize: 20,
    applicationVersion: VERSION,
    logger,
    tracingEnabled: false,
  };
  DBOS.setConfig(configuration);
  // Makes the tables and the queue; started again for the drain.
  await DBOS.launch();
  await DBOS.registerQueue(QUEUE, { workerConcurrency: 100, minPollingIntervalMs: 10 });
  await DBOS.shutdown();
  const watcher = await watch(url);
  const options = { queueName: QUEUE, workflowName: 'bench', appVersion: VERSION };
  let client: DBOSClient | undefined;

  return {
    prepare: async () => {},
    submit: async () => {
      client = await DBOSClient.create({
        systemDatabaseUrl: url,
        systemDatabasePoolSize: CALLS,
        applicationName: 'bench',
        logger,
      });
      await inParallel(
        jobs,
        CALLS,
        (job) => client?.enqueue<typeof workflow>(options, job) ?? Promise.resolve(),
      );
    },
    drain: async (started) => {
      started();
      await DBOS.launch();
      await watcher.until(
        `select not exists (select from dbos.workflow_status where status in ('ENQUEUED', 'PENDING'))`,
      );
      return undefined;
    },
    alone: async (job) => {
      const ran = tally.lastRan(job);
      await client?.enqueue<typeof workflow>(options, job);
      await ran;
    },
    verify: async () => {
      const [found] = await watcher.rows<{ workflows: number; steps: number }>(
        `select (select count(*)::int from dbos.workflow_status where status = 'SUCCESS') as workflows,
           (select count(*)::int from dbos.operation_outputs) as steps`,
      );
      const verdict = tally.verdict(watcher.looked());
      const wrong = [
        ...(found?.workflows === jobs ? [] : [`${found?.workflows} of ${jobs} workflows succeeded`]),
        ...(found?.steps === verdict.ran ? [] : [`${found?.steps} steps are stored`]),
      ];
      return { ...verdict, wrong: [...verdict.wrong, ...wrong] };
    },
    close: async () => {
      await client?.destroy();
      await DBOS.shutdown();
      await watcher.close();
    },
  } satisfies Contestant;
};
