import { VoidTry } from '../measure/figures.ts';
import { createLoadClient } from '../measure/load-client.ts';
import { until } from '../measure/until.ts';
import type { BenchServer } from '../server.ts';

/** A job definition, as far as a bench looks at it. */
export interface Definition {
  name: string;
  steps: readonly { name: string }[];
}

const BATCH_STEPS = 2_000;
const BATCH_JOBS = 1_000;
/** More of them would only wait for each other: a server inserts one batch at a time. */
const BATCH_CLIENTS = 2;
let runs = 0;

/** The definition under a name that no other one has, by which its jobs are found again. */
export function named<Given extends Definition>(definition: Given): Given {
  runs += 1;
  return { ...definition, name: `${definition.name} ${runs}` };
}

/** Submits the same job many times, in batches of about 2,000 steps. */
export async function submitBatches(url: string, definition: Definition, count: number): Promise<void> {
  const most = Math.min(BATCH_JOBS, Math.max(1, Math.floor(BATCH_STEPS / definition.steps.length)));
  const body = (size: number) => JSON.stringify({ jobs: Array(size).fill(definition) });
  const whole = count >= most ? body(most) : '';
  const client = createLoadClient(url, BATCH_CLIENTS);
  let left = count;
  const send = async () => {
    while (left > 0) {
      const size = Math.min(most, left);
      left -= size;
      await client.post('/v1/jobs/batch', size === most ? whole : body(size));
    }
  };
  try {
    await Promise.all(Array.from({ length: BATCH_CLIENTS }, send));
  } finally {
    await client.close();
  }
}

/** Submits the same job many times, one a request, by so many clients that each wait for their answer. */
export async function submitSingly(
  server: BenchServer,
  definition: Definition,
  count: number,
  clients = 10,
): Promise<void> {
  const body = JSON.stringify(definition);
  const client = createLoadClient(server.url, clients);
  let left = count;
  const send = async () => {
    while (left-- > 0) await client.post('/v1/jobs', body);
  };
  try {
    await Promise.all(Array.from({ length: clients }, send));
  } finally {
    await client.close();
  }
}

/** One number that a statement gives. */
export async function numberOf(server: BenchServer, text: string, values: unknown[] = []): Promise<number> {
  const { rows } = await server.database.query({ text, values, rowMode: 'array' });
  return Number(rows[0]?.[0]);
}

/** Milliseconds since 1970 by the clock of the database, which also writes what steps did when. */
export function databaseNow(server: BenchServer): Promise<number> {
  return numberOf(server, 'select extract(epoch from clock_timestamp()) * 1000');
}

/** Waits until no job of this name is open. */
export async function untilDone(server: BenchServer, name: string): Promise<void> {
  await until(async () => {
    const text = 'select count(*) from job where name = $1 and finished_at is null';
    return (await numberOf(server, text, [name])) === 0;
  });
}

/** Throws `VoidTry` unless all these jobs succeeded, with each step run once; else when the last one ended, in ms. */
export async function checkDone(server: BenchServer, definition: Definition, jobs: number): Promise<number> {
  const { rows } = await server.database.query<Record<string, string>>(
    `select count(*) as jobs, count(*) filter (where status = 'succeeded') as succeeded,
       coalesce(sum(steps_succeeded), 0) as steps, extract(epoch from max(finished_at)) * 1000 as ended,
       (select count(*) from step s join job j on j.id = s.job_id where j.name = $1 and s.attempt <> 1) as again
     from job where name = $1`,
    [definition.name],
  );
  const [found = {}] = rows;
  const steps = jobs * definition.steps.length;
  const expected = { jobs, succeeded: jobs, steps, again: 0 };
  for (const [what, count] of Object.entries(expected))
    if (Number(found[what]) !== count) throw new VoidTry(`${what}: ${found[what]} instead of ${count}`);
  return Number(found.ended);
}

/** What a run gave: from the first submit to the end of the last step, by the clock of the database. */
export interface Run {
  steps: number;
  ms: number;
  stepsPerSecond: number;
  /** The name its jobs have. */
  name: string;
}

/** Submits jobs in batches while they run, and waits for their end. Throws `VoidTry` when something counts wrong. */
export async function runJobs(
  server: BenchServer,
  definition: Definition,
  jobs: number,
  submit: (definition: Definition) => Promise<void> = (one) => submitBatches(server.url, one, jobs),
): Promise<Run> {
  const own = named(definition);
  const from = await databaseNow(server);
  await submit(own);
  await untilDone(server, own.name);
  const ms = (await checkDone(server, own, jobs)) - from;
  const steps = jobs * own.steps.length;
  return { steps, ms, stepsPerSecond: (steps * 1000) / ms, name: own.name };
}
