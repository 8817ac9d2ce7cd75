import type { BenchServer } from '../server.ts';

/** Jobs put straight into the tables, as the engine would have left them. */
export interface Seed {
  jobs: number;
  /** Each step needs the one before it in what has finished; none needs another in what is ready. */
  stepsPerJob: number;
  /** `ready`: of an action that nobody offers, so they stay. */
  status: 'succeeded' | 'ready';
  /** So many in a hundred failed at their last step; 0 when absent. Of what has finished only. */
  failedPercent?: number;
}

/** Steps of one statement: some seconds of work, then a word about it. */
const STEPS_A_STATEMENT = 200_000;
export const NOBODY = 'nobody-offers-this';

/**
 * Inserts jobs with all their steps, and lets the database gather its statistics, as it does by itself after a while.
 * Names and labels repeat, so that filters find some: one name in 50, and one label `team` in 10. Milliseconds.
 */
export async function seed(server: BenchServer, given: Seed): Promise<number> {
  const from = performance.now();
  const most = Math.ceil(STEPS_A_STATEMENT / given.stepsPerJob);
  for (let done = 0; done < given.jobs; done += most)
    await insert(server, given, { done, count: Math.min(most, given.jobs - done) });
  await server.database.query('vacuum (analyze) job, step');
  return performance.now() - from;
}

async function insert(
  { database }: BenchServer,
  { jobs, stepsPerJob, status, failedPercent = 0 }: Seed,
  { done, count }: { done: number; count: number },
): Promise<void> {
  await database.query('begin');
  // The oldest first, and ids of the age of their job: so rows lie as they do where jobs came one after the other.
  await database.query(
    `create temporary table seeded on commit drop as
     select n, uuidv7(age) as id, clock_timestamp() + age as at, n % 100 < ${failedPercent} as failed
     from generate_series(${done}, ${done + count - 1}) n,
       lateral (select make_interval(secs => (n - ${jobs}) * 0.01) as age) a`,
  );
  const finished = status === 'succeeded';
  await database.query(finished ? finishedJobs(stepsPerJob) : readyJobs(stepsPerJob));
  await database.query(finished ? finishedSteps(stepsPerJob) : readySteps(stepsPerJob));
  await database.query('commit');
}

const JOB_COLUMNS = `id, name, labels, definition_hash, timeout_ms, steps_total, created_at, deadline_at`;
const jobValues = (steps: number) => `id, 'seeded ' || n % 50,
  jsonb_build_object('team', 'team-' || n % 10), md5(n::text), 2592000000, ${steps}, at, at + interval '30 days'`;

const finishedJobs = (steps: number) => `
  insert into job (${JOB_COLUMNS}, status, version, steps_succeeded, steps_failed, hard_failures, progress, error,
    started_at, finished_at)
  select ${jobValues(steps)}, case when failed then 'failed' else 'succeeded' end, ${2 * steps},
    ${steps} - failed::int, failed::int, failed::int, 1,
    case when failed then '{"code": "step_failed", "message": "a step failed"}'::jsonb end, at, at
  from seeded`;

const readyJobs = (steps: number) => `
  insert into job (${JOB_COLUMNS}, status, steps_ready)
  select ${jobValues(steps)}, 'queued', ${steps} from seeded`;

const STEP_COLUMNS = `job_id, ordinal, name, uses, queue, priority, needs, dependents, continue_on_error, timeout_ms,
  max_attempts, max_losses, backoff, retry_delay_ms, retry_max_delay_ms, retry_jitter, unmet, status, turn, ready_at`;
const stepRest = `false, 86400000, 1, 5, 'exponential', 1000, 300000, true, 0`;

const finishedSteps = (steps: number) => `
  insert into step (${STEP_COLUMNS}, attempt, failures, version, claim_id, started_at, finished_at, error)
  select id, o, 's' || o, 'value', 'default', 0, case when o = 0 then '{}' else array[o - 1] end,
    case when o = ${steps - 1} then '{}' else array[o + 1] end, ${stepRest},
    case when lost then 'failed' else 'succeeded' end, at, at, 1, lost::int, 2 * o + 2, gen_random_uuid(), at, at,
    case when lost then '{"code": "failed", "message": "it failed"}'::jsonb end
  from seeded, generate_series(0, ${steps - 1}) o, lateral (select failed and o = ${steps - 1} as lost) l`;

const readySteps = (steps: number) => `
  insert into step (${STEP_COLUMNS})
  select id, o, 's' || o, '${NOBODY}', 'default', 0, '{}', '{}', ${stepRest}, 'ready', at, at
  from seeded, generate_series(0, ${steps - 1}) o`;
