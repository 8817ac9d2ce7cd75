/**
 * Holdfast itself: a server process as `npm start` runs it, reached over HTTP on loopback. Jobs are submitted by
 * `POST /v1/jobs/batch`, 100 at a time, four requests at once.
 *
 * In the server: steps that use `value`. While jobs are submitted the server serves another queue; then it is stopped,
 * and one that serves theirs is started: the clock runs from its first step, which comes a moment before it says that
 * it is ready. Variant `remote`: steps that use an action of workers, four of `holdfast-client` in one process, each with
 * up to 100 steps at a time; they start once everything is submitted.
 *
 * Durable: outcomes are committed with fsync before anything follows from them. A crash of server, worker or database
 * loses nothing; steps that were running are run again.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createClient, type JobDefinition, Worker } from '../../client/src/index.ts';
import { type Contestant, needsOf, type Open, type Task } from './contestant.ts';
import { createTally, inParallel, portions, type Tally, type Watcher, watch } from './tally.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const START_MS = 30_000;
const JOBS_A_REQUEST = 100;
const REQUESTS = 4;
const WORKERS = 4;
const STEPS_A_WORKER = 100;
const QUEUE = 'bench';

const SUCCEEDED = `select not exists (select from job where finished_at is null)`;

export const open: Open = async (task) => {
  const servers: Server[] = [];
  const serve = async (queue: string) => {
    const server = await startServer(task, queue);
    servers.push(server);
    return server;
  };
  const watcher = await watch(task.url);
  const tally = createTally(task.jobs, task.shape);
  const remote = task.variant === 'remote';
  let server: Server;
  let workers: Worker[] = [];

  return {
    prepare: async () => {
      server = await serve(remote ? QUEUE : 'another');
    },
    submit: () => submit(server.url, definition(task), task.jobs),
    drain: async (started) => {
      if (remote) {
        const numbers = new Map<string, number>();
        workers = Array.from({ length: WORKERS }, () => createWorker(server.url, tally, numbers));
        started();
        await Promise.all(workers.map((worker) => worker.start()));
      } else {
        await server.stop();
        server = await serve(QUEUE);
        started();
      }
      await watcher.until(SUCCEEDED);
      // A server takes the first steps a moment before it says that it is ready.
      const [row] = await watcher.rows<{ first: number }>(
        'select (extract(epoch from min(started_at)) * 1000)::float8 as first from step',
      );
      return row?.first;
    },
    alone: async () => {
      const client = createClient({ server: server.url });
      const job = await client.submit(definition(task), { waitMs: 30_000 });
      if (job.status !== 'succeeded') throw new Error(`a job ended ${job.status}`);
    },
    verify: async () => {
      const found = await look(watcher, task);
      const wrong = remote ? [...found.wrong, ...tally.verdict(0).wrong] : found.wrong;
      return { ran: found.ran, wrong, watched: watcher.looked(), logged: null };
    },
    close: async () => {
      await Promise.all(workers.map((worker) => worker.stop()));
      for (const server of servers) await server.stop();
      await watcher.close();
    },
  } satisfies Contestant;
};

function definition({ shape, variant }: Task): JobDefinition {
  const uses = variant === 'remote' ? 'noop' : 'value';
  const steps = needsOf(shape).map((needs, index) => ({
    name: `s${index}`,
    uses,
    needs: needs.map((need) => `s${need}`),
  }));
  return { name: 'bench', queue: QUEUE, steps };
}

async function submit(url: string, job: JobDefinition, jobs: number): Promise<void> {
  const client = createClient({ server: url });
  const requests = portions(jobs, JOBS_A_REQUEST);
  await inParallel(requests.length, REQUESTS, async (index) => {
    await client.submitBatch(requests[index]?.map(() => job) ?? []);
  });
}

function createWorker(server: string, tally: Tally, numbers: Map<string, number>): Worker {
  return new Worker({
    server,
    concurrency: STEPS_A_WORKER,
    handleSignals: false,
    actions: {
      noop: ({ claim }) => {
        const number = numbers.get(claim.job_id) ?? numbers.size;
        numbers.set(claim.job_id, number);
        tally.ran(number, Number(claim.step.slice(1)));
        return null;
      },
    },
  });
}

/** What the rows say: each step succeeded in its first attempt, and began after its needs had ended. */
async function look(watcher: Watcher, { jobs, shape }: Task): Promise<{ ran: number; wrong: string[] }> {
  const [found] = await watcher.rows<{ jobs: number; steps: number; attempts: number; early: number }>(
    `select (select count(*)::int from job where status = 'succeeded') as jobs,
       (select count(*)::int from step where status = 'succeeded' and attempt = 1) as steps,
       (select count(*)::int from attempt) as attempts,
       (select count(*)::int from step s cross join lateral unnest(s.needs) as need
        join step n on n.job_id = s.job_id and n.ordinal = need where s.started_at < n.finished_at) as early`,
  );
  if (found === undefined) return { ran: 0, wrong: ['nothing was found'] };
  const missing = jobs * needsOf(shape).length - found.steps;
  return {
    ran: found.steps,
    wrong: [
      ...(found.jobs === jobs ? [] : [`${found.jobs} of ${jobs} jobs succeeded`]),
      ...(missing === 0 ? [] : [`${missing} steps did not succeed in their first attempt`]),
      ...(found.attempts === 0 ? [] : [`${found.attempts} attempts did not succeed`]),
      ...(found.early === 0 ? [] : [`${found.early} steps began before their needs had ended`]),
    ],
  };
}

interface Server {
  url: string;
  stop(): Promise<void>;
}

async function startServer({ url, folder }: Task, queues: string): Promise<Server> {
  const child = spawn(process.execPath, [MAIN], {
    cwd: folder,
    env: { PATH: process.env.PATH, DATABASE_URL: url, DATA_DIR: folder, PORT: '0', QUEUES: queues },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  };
  return { url: await readyUrl(child), stop };
}

function readyUrl(child: ChildProcess): Promise<string> {
  let text = '';
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the server did not start')), START_MS);
    child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
    child.stdout?.on('data', (chunk: Buffer) => {
      if (text === 'ready') return;
      text += chunk.toString();
      const found = /API (http:\/\/[^/\s]+)\/v1/.exec(text)?.[1];
      if (found === undefined) return;
      clearTimeout(timer);
      text = 'ready';
      resolve(found);
    });
  });
}
