import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { AttemptOutcome, Tables } from '../database/tables.ts';
import type { StoredError } from '../domain/errors.ts';
import type { JobStatus } from '../domain/job-status.ts';
import type { Json } from '../domain/json.ts';
import type { StepStatus } from '../domain/step-status.ts';

/** What a reader sees of a step, with what its job says about it, read in one statement. */
export interface ReadStep {
  ordinal: number;
  name: string;
  status: StepStatus;
  reason: string | null;
  uses: string;
  queue: string;
  /** The direct needs, in the order given. */
  needs: { name: string; status: StepStatus }[];
  undecided: boolean;
  attempt: number;
  failures: number;
  losses: number;
  max_attempts: number;
  progress: number | null;
  output: Json;
  error: StoredError | null;
  claimed_by: string | null;
  version: number;
  ready_at: Date | null;
  started_at: Date | null;
  finished_at: Date | null;
  wake_at: Date | null;
  job_status: JobStatus;
  job_run_at: Date | null;
  job_max_parallel: number | null;
  job_steps_ready: number;
  job_steps_running: number;
}

export interface ReadAttempt {
  attempt: number;
  outcome: AttemptOutcome;
  error: StoredError | null;
  claimed_by: string | null;
  started_at: Date | null;
  finished_at: Date;
}

// As for pages of jobs: a page ends early rather than pass this.
const PAGE_BYTES = 8 * 1024 * 1024;

// The status of a need is read with the step: two statements could tell a step that waits for nothing. An output is
// only an output once the step succeeded: a timer keeps its own there while it runs.
const STEP_COLUMNS: RawBuilder<unknown> = sql`
  s.ordinal, s.name, s.status, s.reason, s.uses, s.queue, s.undecided, s.attempt, s.failures, s.losses,
  s.max_attempts, s.progress, case when s.status = 'succeeded' then s.output end as output, s.error,
  s.claimed_by, s.version, s.ready_at, s.started_at, s.finished_at, s.wake_at,
  j.status as job_status, j.run_at as job_run_at, j.max_parallel as job_max_parallel,
  j.steps_ready as job_steps_ready, j.steps_running as job_steps_running,
  coalesce((select json_agg(json_build_object('name', n.name, 'status', n.status) order by u.position)
    from unnest(s.needs) with ordinality u (ordinal, position)
    join step n on n.job_id = s.job_id and n.ordinal = u.ordinal), '[]') as needs`;

/**
 * A page of a job's steps in the order of the definition, and the ordinal after which the next one starts (null on
 * the last). A page ends early rather than pass 8 MB of outputs; it holds at least one step.
 */
export async function readSteps(
  db: Kysely<Tables>,
  jobId: string,
  page: { limit: number; after: number; statuses: readonly StepStatus[] },
): Promise<{ steps: ReadStep[]; next: number | null }> {
  // `status || ''` keeps the partial indexes out of the plan: they hold the steps of all jobs, and where statistics say
  // that they are empty the planner would read one of them for the steps of this job.
  const ofStatus =
    page.statuses.length === 0 ? sql`` : sql`and status || '' = any(${sql.val([...page.statuses])}::text[])`;
  const { rows } = await sql<ReadStep & { chosen_rows: number }>`
    with chosen as materialized (
      select * from step where job_id = ${jobId}::uuid and ordinal > ${page.after} ${ofStatus}
      order by ordinal limit ${page.limit + 1}),
    sized as (
      select *, count(*) over () as chosen_rows, coalesce(sum(coalesce(pg_column_size(output), 0))
        over (order by ordinal rows between unbounded preceding and 1 preceding), 0) as earlier_bytes
      from chosen)
    select s.chosen_rows, ${STEP_COLUMNS} from sized s join job j on j.id = s.job_id
    where s.earlier_bytes <= ${PAGE_BYTES} order by s.ordinal`.execute(db);
  const steps = rows.slice(0, page.limit);
  const last = steps.at(-1);
  return { steps, next: last !== undefined && steps.length < last.chosen_rows ? last.ordinal : null };
}

/** One step by its name, with its `with`; undefined when the job has none of that name. */
export async function readStep(
  db: Kysely<Tables>,
  jobId: string,
  name: string,
): Promise<(ReadStep & { with: Json }) | undefined> {
  const { rows } = await sql<ReadStep & { with: Json }>`
    select ${STEP_COLUMNS}, s."with" from step s join job j on j.id = s.job_id
    where s.job_id = ${jobId}::uuid and s.name = ${name}`.execute(db);
  return rows[0];
}

/** Names of steps of a job, for "did you mean". */
export async function readStepNames(db: Kysely<Tables>, jobId: string, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('step')
    .select('name')
    .where('job_id', '=', jobId)
    .orderBy('ordinal')
    .limit(limit)
    .execute();
  return rows.map((row) => row.name);
}

/** The names of all steps of a job, by ordinal, and how many attempts each has had. */
export async function readStepLabels(
  db: Kysely<Tables>,
  jobId: string,
): Promise<{ name: string; attempt: number }[]> {
  return await db
    .selectFrom('step')
    .select(['name', 'attempt'])
    .where('job_id', '=', jobId)
    .orderBy('ordinal')
    .execute();
}

/** The ended attempts of a step, oldest first, up to and with number `upTo`. */
export async function readAttempts(
  db: Kysely<Tables>,
  step: { job_id: string; ordinal: number; upTo: number },
): Promise<ReadAttempt[]> {
  return await db
    .selectFrom('attempt')
    .select(['attempt', 'outcome', 'error', 'claimed_by', 'started_at', 'finished_at'])
    .where('job_id', '=', step.job_id)
    .where('ordinal', '=', step.ordinal)
    .where('attempt', '<=', step.upTo)
    .orderBy('attempt')
    .execute();
}
