import { createClient, type Job } from '../../client/src/index.ts';
import { jobOf, type Kind, kindOf } from './mix.ts';
import { quantileOf } from './trend.ts';

/** What clients sent and were told. */
export interface Account {
  /** Jobs whose submit was answered, by their ids. */
  jobs: Map<string, JobAccount>;
  steps: number;
  /** How often what was done besides: `replayed`, `cancelled`, `retried`, `removed`, `log read`, … */
  done: Record<string, number>;
  /** What should not have been. */
  wrong: string[];
}

export interface JobAccount {
  /** When it ended, as its client was told, in milliseconds since 1970; null until then. */
  endedAt: number | null;
  /** Whether its client deleted it. */
  removed: boolean;
}

export interface Load {
  account: Account;
  /** How many jobs have not ended yet. */
  open(): number;
  /** p50 and p99 of what clients measured in the last while, in milliseconds, by names of figures. */
  times(): Record<string, number>;
  /** Resolves once no job is submitted any more and every client has seen its job end, or given up. */
  over: Promise<void>;
}

export interface LoadOptions {
  servers: readonly string[];
  /** Which `http` steps ask. */
  service: string;
  /** Jobs a second. */
  rate: number;
  /** For how long times count, in milliseconds. */
  windowMs: number;
  /** Submits no more jobs then. */
  ending: AbortSignal;
  /** Gives up then. */
  signal: AbortSignal;
}

/** Clients that wait for more jobs than this submit no more until some have ended. */
const MOST_OPEN = 400;
const WAIT_MS = 120_000;
const CANCEL_AFTER_MS = 400;

const nap = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Starts clients that submit jobs at a steady rate, wait for their ends, and look at them as people and programs do. */
export function startLoad(options: LoadOptions): Load {
  const { rate, windowMs, ending } = options;
  const run = createRun(options);
  const lives = new Set<Promise<void>>();
  const begin = (number: number) => {
    const life: Promise<void> = run
      .live(number)
      .catch((error) => void run.account.wrong.push(`job ${number} (${kindOf(number).name}): ${error}`))
      .finally(() => lives.delete(life));
    lives.add(life);
  };
  const submitAll = async () => {
    const started = performance.now();
    for (let number = 0; !ending.aborted; number += 1) {
      // By the clock, not by pauses, so that a slow machine gets the same rate.
      await nap(Math.max(0, started + (number * 1_000) / rate - performance.now()));
      while (lives.size >= MOST_OPEN && !ending.aborted) await nap(50);
      if (!ending.aborted) begin(number);
    }
    await Promise.all(lives);
  };
  return {
    account: run.account,
    open: () => lives.size,
    times: () => run.times(windowMs),
    over: submitAll(),
  };
}

function createRun({ servers, service, signal }: LoadOptions) {
  const account: Account = { jobs: new Map(), steps: 0, done: {}, wrong: [] };
  const clients = servers.map((_, first) =>
    createClient({ server: [...servers.slice(first), ...servers.slice(0, first)] }),
  );
  const clientOf = (number: number) => clients[number % clients.length] as (typeof clients)[number];
  const prefix = `soak-${Date.now()}`;
  const { measure, times } = createTimes();
  const count = (what: string) => {
    account.done[what] = (account.done[what] ?? 0) + 1;
  };

  /** Stores the job; every fifth at both servers at once, under one key. */
  async function submit(number: number): Promise<Job> {
    const from = performance.now();
    const options = { idempotencyKey: `${prefix}-${number}`, signal };
    const send = async (by: number) => {
      const job = await clientOf(by).submit(jobOf(number, service), options);
      measure('submit', from);
      return job;
    };
    const [job, again] = await Promise.all([send(number), ...(number % 5 === 0 ? [send(number + 1)] : [])]);
    if (again !== undefined) count('submits sent twice');
    if (again !== undefined && again.id !== job.id)
      throw new Error(`made two jobs, ${job.id} and ${again.id}`);
    account.jobs.set(job.id, { endedAt: null, removed: false });
    account.steps += job.steps.total;
    return job;
  }

  async function waitFor(number: number, { id }: Job): Promise<Job> {
    return clientOf(number).wait(id, { timeoutMs: WAIT_MS, signal });
  }

  async function bringToItsEnd(number: number, kind: Kind): Promise<Job> {
    const client = clientOf(number + 1);
    const from = performance.now();
    const job = await submit(number);
    if (kind.does === 'cancel') {
      await nap(CANCEL_AFTER_MS);
      await client.cancel(job.id, 'nobody wants it any more', { signal });
      count('jobs cancelled');
    }
    const end = await waitFor(number, job);
    if (kind.does === undefined) measure('done', from);
    if (kind.does !== 'retry') return end;
    if (end.status !== 'failed') throw new Error(`was to fail at first, and ${end.status}`);
    await client.retry(job.id, { signal });
    count('jobs retried by hand');
    return waitFor(number, job);
  }

  async function lookAt(number: number, { id }: Job): Promise<void> {
    const client = clientOf(number + 1);
    if (number % 7 === 0) await client.jobLog(id, { signal });
    if (number % 11 === 0) await client.get(id, { includeSteps: true, signal });
    if (number % 23 === 0) await client.list({ limit: 100, status: ['failed'] }, { signal });
    if (number % 31 === 0) await client.list({ label: [`order:${number}`] }, { signal });
  }

  async function live(number: number): Promise<void> {
    const kind = kindOf(number);
    const job = await bringToItsEnd(number, kind);
    const own = account.jobs.get(job.id) as JobAccount;
    own.endedAt = Date.parse(job.finished_at ?? '');
    if (job.status !== kind.ends) throw new Error(`was to end ${kind.ends}, and ${job.status}`);
    await lookAt(number, job);
    if (number % 13 !== 0) return;
    await clientOf(number).remove(job.id, { signal });
    own.removed = true;
    count('jobs deleted by hand');
  }

  return { account, live, times };
}

/** What clients measured: each time is forgotten once it is older than the window that is asked for. */
function createTimes() {
  const taken: { what: 'submit' | 'done'; at: number; ms: number }[] = [];
  return {
    measure(what: 'submit' | 'done', from: number): void {
      const at = performance.now();
      taken.push({ what, at, ms: at - from });
    },
    times(windowMs: number): Record<string, number> {
      const since = performance.now() - windowMs;
      const first = taken.findIndex(({ at }) => at >= since);
      taken.splice(0, first === -1 ? taken.length : first);
      const figures: Record<string, number> = {};
      for (const [what, list] of Map.groupBy(taken, (one) => one.what)) {
        const all = list.map(({ ms }) => ms);
        figures[`${what} p50`] = quantileOf(all, 0.5);
        figures[`${what} p99`] = quantileOf(all, 0.99);
      }
      return figures;
    },
  };
}
