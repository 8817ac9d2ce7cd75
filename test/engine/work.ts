/** Work for the engine: jobs to submit, claims to take, outcomes to write, and ways to look on. */
import { type Kysely, sql } from 'kysely';
import pg from 'pg';
import { v4 as uuid } from 'uuid';
import { addressOf } from '../../src/database/connection.ts';
import type { Store } from '../../src/database/store.ts';
import type { Tables } from '../../src/database/tables.ts';
import { type NormalJob, normaliseJob } from '../../src/domain/job-definition/normalise.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import type { ClaimedStep } from '../../src/operations/advance-jobs.ts';
import { claimSteps } from '../../src/operations/claim-steps.ts';
import type { StepOutcome } from '../../src/operations/step-outcome.ts';
import { submitJob } from '../../src/operations/submit-job.ts';

const BUILTIN = new Set(['value', 'wait', 'flaky']);

/** A definition as it would be stored. */
export function normal(definition: JsonObject): NormalJob {
  const checked = normaliseJob(definition, { known: BUILTIN, builtin: BUILTIN, checkWith: () => [] });
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems.slice(0, 3)));
  return checked.job;
}

/** Submits a job of `value` steps; `needs` gives for each the names of those above it. Returns the job's id. */
export async function submitGraph(
  store: Store,
  needs: Record<string, string[]>,
  more: JsonObject = {},
): Promise<string> {
  const steps = Object.entries(needs).map(([name, above]) => ({ name, uses: 'value', needs: above }));
  const { id } = await submitJob(store, normal({ name: 'work', ...more, steps }), { requestHash: 'work' });
  return id;
}

/** So many steps that need nothing. */
export function loose(count: number): Record<string, string[]> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`s${i}`, []]));
}

/** Claims as many ready steps of an action as asked for, for a worker of its own unless one is named. */
export async function claim(
  store: Store,
  max: number,
  workerId: string = uuid(),
  uses = 'value',
): Promise<ClaimedStep[]> {
  let room = max;
  const [grants] = await claimSteps(store, [
    {
      workerId,
      uses: [{ uses, max }],
      queues: null,
      ttlMs: 60_000,
      accept: () => {
        room -= 1;
        return room >= 0;
      },
    },
  ]);
  return typeof grants === 'object' ? grants.claims : [];
}

export function outcome(claimed: ClaimedStep, end: StepOutcome['end']): StepOutcome {
  const { job_id, ordinal, claim_id } = claimed;
  return { job_id, ordinal, claim_id, end };
}

export const succeeded = (claimed: ClaimedStep): StepOutcome =>
  outcome(claimed, { kind: 'succeeded', output: null });

export const failed = (claimed: ClaimedStep): StepOutcome =>
  outcome(claimed, {
    kind: 'failed',
    error: { code: 'went_wrong', message: 'it went wrong' },
    retryable: false,
  });

/** A session of its own, in which a test holds what others want. */
export async function session(url: string): Promise<pg.Client> {
  const client = new pg.Client({ ...addressOf(url), application_name: 'holdfast test holder' });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** Takes a job's row and keeps it until the returned function is called. */
export async function holdJob(url: string, id: string): Promise<() => Promise<void>> {
  const client = await session(url);
  await client.query('begin');
  await client.query('select 1 from job where id = $1 for no key update', [id]);
  return async () => {
    await client.query('commit');
    await client.end();
  };
}

/** How many sessions of this database wait for a lock. */
export async function waiters(db: Kysely<Tables>): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*)::int4 as count from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`.execute(db);
  return rows[0]?.count ?? 0;
}

/** How many deadlocks the database has ended here; operations retry them, so that nobody else would notice. */
export async function deadlocks(db: Kysely<Tables>): Promise<number> {
  await sql`select pg_stat_force_next_flush()`.execute(db);
  const { rows } = await sql<{ count: number }>`select deadlocks::int4 as count from pg_stat_database
    where datname = current_database()`.execute(db);
  return rows[0]?.count ?? 0;
}

/** Waits for a condition, up to a deadline. */
export async function until(
  what: string,
  condition: () => Promise<boolean> | boolean,
  deadlineMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** How many steps are in each status, over all jobs. */
export async function countSteps(db: Kysely<Tables>): Promise<Record<string, number>> {
  const { rows } = await sql<{ status: string; count: number }>`
    select status, count(*)::int4 as count from step group by status order by status`.execute(db);
  return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
}

/** The status of each step of a job, in order. */
export async function statusesOf(db: Kysely<Tables>, id: string): Promise<string[]> {
  const { rows } = await sql<{
    status: string;
  }>`select status from step where job_id = ${id} order by ordinal`.execute(db);
  return rows.map((row) => row.status);
}
