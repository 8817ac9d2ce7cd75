/**
 * Absurd: a task function whose steps are checkpointed in PostgreSQL by stored procedures. Chain: ten `ctx.step` one
 * after the other; fan: one, eight under `Promise.all`, one. Submitted by `spawn`, one at a time (it has no bulk form),
 * 20 at once.
 *
 * Its npm package does not bring the stored procedures: `ABSURD_SQL` must name the file `sql/absurd.sql` of its
 * repository.
 *
 * Chosen: one worker process with a concurrency of 100, a pool of 20 connections, 10 ms between looks when idle (250 by default).
 *
 * Durable: each step's result is committed with fsync before the next begins. A task whose worker died is taken by
 * another when its claim ends (2 minutes by default) and goes on after its last recorded step.
 */
import { readFileSync } from 'node:fs';
import { Absurd } from 'absurd-sdk';
import pg from 'pg';
import type { Contestant, Open } from '../contestant.ts';
import { createTally, inParallel, watch } from '../tally.ts';
import { walk } from '../walk.ts';

const QUEUE = 'bench';
const CONNECTIONS = 20;
const CONCURRENCY = 100;

export const open: Open = async ({ url, shape, jobs }) => {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS });
  pool.on('error', () => {});
  await pool.query(readFileSync(process.env.ABSURD_SQL ?? '', 'utf8'));
  const absurd = new Absurd({ db: pool, queueName: QUEUE });
  await absurd.createQueue();
  const tally = createTally(jobs, shape);
  absurd.registerTask<{ job: number }>({ name: 'bench' }, async ({ job }, context) => {
    await walk(shape, (number) =>
      context.step(`s${number}`, async () => {
        tally.ran(job, number);
        return null;
      }),
    );
  });
  const watcher = await watch(url);

  return {
    prepare: async () => {},
    submit: () => inParallel(jobs, CONNECTIONS, (job) => absurd.spawn('bench', { job })),
    drain: async (started) => {
      started();
      await absurd.startWorker({ concurrency: CONCURRENCY, pollInterval: 0.01 });
      await watcher.until(
        `select not exists (select from absurd.t_${QUEUE} where state not in ('completed', 'failed', 'cancelled'))`,
      );
      return undefined;
    },
    alone: async (job) => {
      const ran = tally.lastRan(job);
      await absurd.spawn('bench', { job });
      await ran;
    },
    verify: async () => {
      const [found] = await watcher.rows<{ tasks: number; steps: number }>(
        `select (select count(*)::int from absurd.t_${QUEUE} where state = 'completed') as tasks,
           (select count(*)::int from absurd.c_${QUEUE}) as steps`,
      );
      const verdict = tally.verdict(watcher.looked());
      const wrong = [
        ...(found?.tasks === jobs ? [] : [`${found?.tasks} of ${jobs} tasks completed`]),
        ...(found?.steps === verdict.ran ? [] : [`${found?.steps} steps are stored`]),
      ];
      return { ...verdict, wrong: [...verdict.wrong, ...wrong] };
    },
    close: async () => {
      await absurd.close();
      await pool.end();
      await watcher.close();
    },
  } satisfies Contestant;
};
