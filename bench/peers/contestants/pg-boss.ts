/**
 * pg-boss, its flows (`flow` with `dependsOn`: any graph). Submitted by `insert` (independent jobs) and `flow` (whole
 * graphs), 100 graphs or 1,000 jobs a call, four calls at once. One process.
 *
 * Variant `worker`: its own worker and its own resolver as fast as they may be set: `work` with `pollingIntervalSeconds`
 * 0.5, `batchSize` 500, `burstWhenBatchFull`, `localConcurrency` 4; `flowIntervalSeconds` 1. A layer of a graph waits for
 * both intervals, so the rate grows with the number of graphs at once. (`notify` would not help: a dependent that
 * becomes free is not notified.)
 *
 * Variant `hand`: `fetch` and `complete` of 500 jobs in four loops, and `resolveFlow` in a loop of its own, all without
 * a pause: its public calls, faster than its own worker may be set.
 *
 * Durable: every write is committed with fsync. Completed jobs are kept. What runs when a worker dies is tried again
 * after its expiry (15 minutes by default).
 */
import { PgBoss } from 'pg-boss';
import { type Contestant, needsOf, type Open } from '../contestant.ts';
import { createTally, inParallel, portions, type Tally, watch } from '../tally.ts';

const QUEUE = 'bench';
const LOOPS = 4;
const JOBS_A_FETCH = 500;
const CALLS = 4;

type Data = { job: number; step: number };

export const open: Open = async ({ url, shape, jobs, variant }) => {
  const boss = new PgBoss({ connectionString: url, schedule: false, flowIntervalSeconds: 1 });
  const errors: string[] = [];
  boss.on('error', (error) => errors.push(String(error)));
  await boss.start();
  await boss.createQueue(QUEUE, { retryLimit: 0 });
  const watcher = await watch(url);
  const tally = createTally(jobs, shape);
  const needs = needsOf(shape);
  const total = jobs * needs.length;
  const over = new AbortController();
  let loops: Promise<void> | undefined;

  return {
    prepare: async () => {},
    submit: () => {
      const calls = portions(jobs, needs.length === 1 ? 1_000 : 100);
      return inParallel(calls.length, CALLS, (index) => add(boss, needs, calls[index] ?? []));
    },
    drain: async (started) => {
      started();
      if (variant === 'hand') {
        loops = runByHand(boss, needs.length > 1, tally, over.signal);
        loops.catch((error) => errors.push(String(error)));
      } else await startWorker(boss, tally);
      await watcher.until(
        `select not exists (select from pgboss.job where name = '${QUEUE}' and state < 'completed')`,
      );
      return undefined;
    },
    alone: async (job) => {
      const ran = tally.lastRan(job);
      await add(boss, needs, [job]);
      await ran;
    },
    verify: async () => {
      const [found] = await watcher.rows<{ completed: number }>(
        `select count(*)::int as completed from pgboss.job where name = '${QUEUE}' and state = 'completed'`,
      );
      const verdict = tally.verdict(watcher.looked());
      const missing =
        found?.completed === total ? [] : [`${found?.completed} of ${total} jobs were completed`];
      return { ...verdict, wrong: [...verdict.wrong, ...missing, ...errors.slice(0, 3)] };
    },
    close: async () => {
      over.abort();
      await loops;
      await boss.stop({ graceful: false });
      await watcher.close();
    },
  } satisfies Contestant;
};

async function add(boss: PgBoss, needs: readonly number[][], numbers: readonly number[]): Promise<void> {
  if (needs.length === 1) {
    await boss.insert(
      QUEUE,
      numbers.map((job) => ({ data: { job, step: 0 } })),
    );
    return;
  }
  const steps = numbers.flatMap((job) =>
    needs.map((list, step) => ({
      ref: `${job}/${step}`,
      name: QUEUE,
      data: { job, step },
      dependsOn: list.map((need) => `${job}/${need}`),
    })),
  );
  await boss.flow(steps);
}

async function startWorker(boss: PgBoss, tally: Tally): Promise<void> {
  const options = {
    batchSize: JOBS_A_FETCH,
    pollingIntervalSeconds: 0.5,
    burstWhenBatchFull: true,
    localConcurrency: LOOPS,
  };
  await boss.work<Data>(QUEUE, options, async (taken) => {
    for (const { data } of taken) tally.ran(data.job, data.step);
  });
}

/** Runs steps until the signal comes; resolves when nothing runs any more. */
async function runByHand(boss: PgBoss, graph: boolean, tally: Tally, over: AbortSignal): Promise<void> {
  const takeAndComplete = async () => {
    while (!over.aborted) {
      const taken = await boss.fetch<Data>(QUEUE, { batchSize: JOBS_A_FETCH });
      for (const { data } of taken) tally.ran(data.job, data.step);
      const ids = taken.map(({ id }) => id);
      if (ids.length === 0) await pause();
      else await boss.complete(QUEUE, ids);
    }
  };
  const resolveFlows = async () => {
    while (graph && !over.aborted) {
      await boss.resolveFlow();
      await pause();
    }
  };
  await Promise.all([resolveFlows(), ...Array.from({ length: LOOPS }, takeAndComplete)]);
}

/** Lets the other loops go on; short, so that waiting for work costs nothing that counts. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 2));
}
