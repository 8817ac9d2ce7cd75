import type pg from 'pg';
import { createClient, type Job } from '../../client/src/index.ts';
import { jobOf, stepsIn } from './jobs.ts';

/** What was submitted. */
export interface Load {
  /** The ids of the jobs, each once. */
  readonly jobs: ReadonlySet<string>;
  /** How many steps they have in all. */
  readonly steps: number;
  /** How many submits were sent twice, under one idempotency key, to two servers at once. */
  readonly doubled: number;
  /** Doubled submits that were answered with two jobs. */
  readonly twice: number;
}

const BATCH = 12;
const DOUBLE_EVERY = 4;

/** A way to submit jobs of all shapes, each through the next server. */
export function createLoad(urls: readonly string[], run: string): Load & { submit(): Promise<void> } {
  const clients = urls.map((_, first) =>
    createClient({ server: [...urls.slice(first), ...urls.slice(0, first)], patienceMs: 60_000 }),
  );
  const clientOf = (turn: number) => clients[turn % clients.length] as (typeof clients)[number];
  const load = { jobs: new Set<string>(), steps: 0, doubled: 0, twice: 0 };
  let turn = 0;
  return Object.assign(load, {
    async submit() {
      const own = turn++;
      const jobs = Array.from({ length: BATCH }, (_, i) => jobOf(own * BATCH + i));
      const send = (client: number) =>
        clientOf(client).submitBatch(jobs, { idempotencyKey: `fleet-${run}-${own}` });
      const isDouble = own % DOUBLE_EVERY === 0;
      const [first, second] = await Promise.all([send(own), ...(isDouble ? [send(own + 1)] : [])]);
      const ids = (answer: { data: Job[] } | undefined) => answer?.data.map(({ id }) => id) ?? [];
      for (const id of ids(first)) load.jobs.add(id);
      load.steps += jobs.reduce((sum, job) => sum + stepsIn(job), 0);
      if (!isDouble) return;
      load.doubled += 1;
      if (ids(first).join() !== ids(second).join()) load.twice += 1;
    },
  });
}

/** How far the jobs are. */
export async function readProgress(
  pool: pg.Pool,
): Promise<{ steps: number; over: number; openJobs: number }> {
  const { rows } = await pool.query(`
    select coalesce(sum(steps_total), 0)::int4 as steps,
      coalesce(sum(steps_succeeded + steps_failed + steps_skipped + steps_cancelled), 0)::int4 as over,
      (count(*) filter (where finished_at is null))::int4 as "openJobs"
    from job`);
  return rows[0];
}
