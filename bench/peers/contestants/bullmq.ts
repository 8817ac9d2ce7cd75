/**
 * BullMQ on Redis, its flows (`FlowProducer`). Submitted by `addBulk`, 100 at a time, four calls at once. One worker
 * process with a concurrency of 200; finished jobs are removed at once, which is its fastest.
 *
 * A flow is a tree: a job waits for its children, and a child has one parent. A chain is a tree of one branch. In the
 * fan 1-8-1 eight steps need the same first one, which no tree can say: its first job is submitted alone, and when it
 * runs, it adds the tree of eight and one, under fixed ids, so that it may be repeated. So the fan is not stored at submit, and
 * its submit rate is that of single jobs.
 *
 * Redis as BullMQ's page on production says: `appendonly yes`, `maxmemory-policy noeviction`; no snapshots. Variant
 * `everysec`: `appendfsync everysec`; a crash of the machine loses up to a second or two of what was acknowledged. Variant `always`:
 * `appendfsync always`, which is what PostgreSQL does here.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { FlowProducer, Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { type Contestant, needsOf, type Open } from '../contestant.ts';
import { createTally, inParallel, portions, until } from '../tally.ts';

const QUEUE = 'bench';
const CONCURRENCY = 200;
const JOBS_A_CALL = 100;
const CALLS = 4;
const REMOVED = { removeOnComplete: true, removeOnFail: true } as const;

type Data = { job: number; step: number };

export const open: Open = async ({ shape, jobs, folder, variant }) => {
  const redis = await startRedis(folder, variant ?? 'everysec');
  const connection = { host: '127.0.0.1', port: redis.port, maxRetriesPerRequest: null };
  const client = new Redis(connection);
  const queue = new Queue<Data>(QUEUE, { connection });
  const flows = new FlowProducer({ connection });
  const tally = createTally(jobs, shape);
  const total = jobs * needsOf(shape).length;
  const isChain = shape === 'chain' || shape === 'alone';
  const errors: string[] = [];
  let worker: Worker<Data> | undefined;
  const logged = async () => {
    const text = await client.info('persistence');
    return Number(/aof_current_size:(\d+)/.exec(text)?.[1] ?? 0);
  };
  let loggedBefore = 0;

  const step = (job: number, number: number) => ({
    name: 'step',
    queueName: QUEUE,
    data: { job, step: number },
    opts: { ...REMOVED, jobId: `j${job}-s${number}` },
  });
  const runStep = async ({ job, step: number }: Data) => {
    tally.ran(job, number);
    if (shape === 'fan' && number === 0) {
      await flows.add({ ...step(job, 9), children: MIDDLE.map((middle) => step(job, middle)) });
    }
  };

  return {
    databasePid: redis.pid,
    prepare: async () => {
      await queue.waitUntilReady();
      loggedBefore = await logged();
    },
    submit: async () => {
      const calls = portions(jobs, JOBS_A_CALL);
      await inParallel(calls.length, CALLS, (index) => {
        const numbers = calls[index] ?? [];
        if (isChain) return flows.addBulk(numbers.map((job) => chain(job, step)));
        return queue.addBulk(numbers.map((job) => step(job, 0)));
      });
    },
    drain: async (started) => {
      started();
      worker = new Worker<Data>(QUEUE, ({ data }) => runStep(data), { connection, concurrency: CONCURRENCY });
      worker.on('failed', (_, error) => errors.push(String(error)));
      worker.on('error', (error) => errors.push(String(error)));
      await until(() => tally.total() >= total);
      await until(async () => {
        const counts = await queue.getJobCounts('wait', 'active', 'waiting-children', 'delayed');
        return Object.values(counts).every((count) => count === 0);
      });
      return undefined;
    },
    alone: async (job) => {
      const ran = tally.lastRan(job);
      await flows.add(chain(job, step));
      await ran;
    },
    verify: async () => {
      const verdict = tally.verdict(0);
      return {
        ...verdict,
        wrong: [...verdict.wrong, ...errors.slice(0, 3)],
        logged: (await logged()) - loggedBefore,
      };
    },
    close: async () => {
      await worker?.close();
      await flows.close();
      await queue.close();
      client.disconnect();
      await redis.stop();
    },
  } satisfies Contestant;
};

const MIDDLE = [1, 2, 3, 4, 5, 6, 7, 8];

/** The last step at the root, each step the only child of the one after it. */
function chain<Step extends object>(job: number, step: (job: number, number: number) => Step): Step {
  const first: Step & { children?: unknown[] } = step(job, 0);
  return MIDDLE.concat(9).reduce<Step>(
    (child, number) => ({ ...step(job, number), children: [child] }),
    first,
  );
}

async function startRedis(
  folder: string,
  fsync: string,
): Promise<{ port: number; pid: number; stop(): Promise<void> }> {
  const port = await freePort();
  const settings = {
    bind: '127.0.0.1',
    port: String(port),
    dir: folder,
    save: '',
    appendonly: 'yes',
    appendfsync: fsync,
    'maxmemory-policy': 'noeviction',
    daemonize: 'no',
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn('redis-server', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const failed = once(child, 'error').then(([error]) => Promise.reject(error as Error));
  const probe = new Redis({ host: '127.0.0.1', port, retryStrategy: () => 20, maxRetriesPerRequest: null });
  probe.on('error', () => {});
  await Promise.race([probe.ping(), failed]);
  probe.disconnect();
  return {
    port,
    pid: child.pid as number,
    stop: async () => {
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}
