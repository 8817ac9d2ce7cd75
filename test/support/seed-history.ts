import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Tables } from '../../src/database/tables.ts';

/** How much history there is: the newest `stepped` of the jobs have ten steps each, the older ones none. */
export interface History {
  jobs: number;
  stepped: number;
}

export const STEPS_A_JOB = 10;

/** Ids that sort by age, as those of the engine do: the `i`-th of a series of its own. */
export function seriesId(series: number, i: RawBuilder<unknown>): RawBuilder<string> {
  return sql<string>`lpad(to_hex(1700000000 + ${i}), 12, '0')::text || '7' || lpad(${sql.lit(series)}::text, 3, '0')
    || '8000' || lpad(to_hex(${i}), 12, '0')`;
}

/**
 * Fills the database with jobs that are over, past the engine but by its schema, one a second up to a day ago. Ninety of a
 * hundred succeeded; half are called `sync`; labels are such as all have (`team`), few (`region`) and one (`run`).
 */
export async function seedHistory(db: Kysely<Tables>, { jobs, stepped }: History): Promise<void> {
  await db.connection().execute(async (session) => {
    // Whoever seeds vouches for the references: checking them would be half of the time.
    await sql`set session_replication_role = replica`.execute(session);
    await sql`
      insert into job (id, name, status, labels, input, definition_hash, timeout_ms, steps_total, steps_succeeded,
        steps_failed, steps_cancelled, created_at, started_at, finished_at, deadline_at, progress, hard_failures)
      select (${seriesId(1, sql`i`)})::uuid,
        case when i % 2 = 0 then 'sync' when i % 10000 = 1 then 'rare' else 'report-' || i % 20 end,
        status, jsonb_build_object('team', 'team-' || i % 3, 'region', 'region-' || i % 500, 'run', i::text),
        '{"date": "2026-11-20"}', 'seeded', 3600000, ${sql.lit(STEPS_A_JOB)},
        case status when 'succeeded' then 10 else 4 end, case status when 'failed' then 6 else 0 end,
        case status when 'cancelled' then 6 else 0 end, at, at, at + interval '1 minute', at + interval '1 hour',
        case status when 'succeeded' then 1 else 0.4 end, case status when 'failed' then 6 else 0 end
      from (
        select i, case when i % 100 < 90 then 'succeeded' when i % 100 < 98 then 'failed' else 'cancelled' end as status,
          now() - interval '1 day' - (${sql.lit(jobs)} - i) * interval '1 second' as at
        from generate_series(1, ${sql.lit(jobs)}) i
      ) made`.execute(session);
    await sql`
      insert into step (job_id, ordinal, name, uses, queue, priority, needs, dependents, continue_on_error, timeout_ms,
        max_attempts, max_losses, backoff, retry_delay_ms, retry_max_delay_ms, retry_jitter, status, unmet, version,
        attempt, claim_id, output, ready_at, started_at, finished_at)
      select j.id, o, 's' || o, 'value', 'default', 0, case when o = 0 then '{}' else array[o - 1] end,
        case when o = 9 then '{}' else array[o + 1] end, false, 60000, 1, 5, 'exponential', 1000, 300000, true,
        case when j.status = 'succeeded' or o < 4 then 'succeeded' else j.status end, 0, o + 2, 1, j.id,
        '{"rows": 3}', j.created_at, j.created_at, j.finished_at
      from (select * from job order by created_at desc limit ${sql.lit(stepped)}) j
      cross join generate_series(0, 9) o`.execute(session);
    await sql`
      insert into attempt (job_id, ordinal, attempt, outcome, error, claim_id, claimed_by, started_at, finished_at)
      select job_id, ordinal, 1, 'failed', '{"code": "unlucky", "message": "not this time"}', job_id, job_id, started_at, finished_at
      from step where ordinal < 2`.execute(session);
    await sql`
      insert into step_log (job_id, ordinal, attempt, start, data)
      select job_id, ordinal, 1, 0, 'a line of the log' from step where ordinal = 0`.execute(session);
    await sql`set session_replication_role = default`.execute(session);
  });
}

/** Jobs that are open: so many, each with so many steps that stand like this. */
interface Open {
  name: string;
  jobs: number;
  steps: number;
  status: 'scheduled' | 'queued' | 'running';
  steps_are: 'pending' | 'ready' | 'running' | 'waiting';
  /** Columns of the job, and of its steps, and their values, as SQL. */
  job?: Record<string, string>;
  step?: Record<string, string>;
}

/** Who holds what runs in the seeded jobs. */
export const ELSEWHERE = '00000000-0000-4000-8000-00000000e15e';
export const GIANT_STEPS = 10_000;

const RUNS = {
  claim_id: 'j.id',
  claimed_by: `'${ELSEWHERE}'`,
  claim_expires_at: `now() + interval '1 hour'`,
  started_at: 'now()',
  attempt: '1',
};

// All of an action that nobody offers: they stay as they are while others work.
const OPEN: readonly Open[] = [
  {
    ...{ name: 'nobody', jobs: 2_000, steps: 10, status: 'queued', steps_are: 'ready' },
    step: { turn: 'now()', ready_at: 'now()' },
  },
  {
    ...{ name: 'elsewhere', jobs: 500, steps: 6, status: 'running', steps_are: 'running' },
    ...{ job: { started_at: 'now()' }, step: RUNS },
  },
  {
    ...{ name: 'timers', jobs: 1_000, steps: 3, status: 'running', steps_are: 'waiting' },
    ...{ job: { started_at: 'now()' }, step: { wake_at: `now() + interval '1 day'` } },
  },
  {
    ...{ name: 'later', jobs: 3_000, steps: 1, status: 'scheduled', steps_are: 'pending' },
    job: { run_at: `now() + interval '1 day'`, deadline_at: `now() + interval '2 days'` },
  },
  {
    ...{ name: 'undecided', jobs: 300, steps: 1, status: 'running', steps_are: 'pending' },
    ...{ job: { started_at: 'now()' }, step: { '"if"': `'true'`, undecided: 'true' } },
  },
  // Held by `max_parallel`, all but the first few, which others have had.
  {
    ...{ name: 'giant', jobs: 1, steps: GIANT_STEPS, status: 'running', steps_are: 'pending' },
    job: { started_at: 'now()', max_parallel: '1' },
  },
];

/** Adds work that is open, of each kind a few thousand, and who holds what runs. */
export async function seedOpenWork(db: Kysely<Tables>): Promise<void> {
  await db.connection().execute(async (session) => {
    await sql`set session_replication_role = replica`.execute(session);
    for (const [series, open] of OPEN.entries()) await insertOpen(session, series + 2, open);
    await sql`set session_replication_role = default`.execute(session);
    await sql`insert into worker (id, kind, name, version, uses, slots, last_seen_at)
      values (${ELSEWHERE}, 'remote', 'elsewhere', '', '{nobody}', 3000, now() + interval '1 hour')`.execute(
      session,
    );
  });
}

async function insertOpen(db: Kysely<Tables>, series: number, open: Open): Promise<void> {
  const { jobs, steps, status, steps_are, job = {}, step = {} } = open;
  const more = (columns: Record<string, string>) => ({
    names: sql.raw(
      Object.keys(columns)
        .map((name) => `, ${name}`)
        .join(''),
    ),
    values: sql.raw(
      Object.values(columns)
        .map((value) => `, ${value}`)
        .join(''),
    ),
  });
  const [ofJob, ofStep] = [{ deadline_at: `now() + interval '1 day'`, ...job }, step].map(more) as [
    ReturnType<typeof more>,
    ReturnType<typeof more>,
  ];
  await sql`
    insert into job (id, name, status, labels, definition_hash, timeout_ms, steps_total, ${sql.ref(`steps_${steps_are}`)},
      created_at ${ofJob.names})
    select (${seriesId(series, sql`i`)})::uuid, ${open.name}, ${status}, '{"team": "team-1"}', 'seeded', 86400000,
      ${steps}::int4, ${steps}::int4, now() - interval '1 hour' ${ofJob.values}
    from generate_series(1, ${sql.lit(jobs)}) i`.execute(db);
  await sql`
    insert into step (job_id, ordinal, name, uses, queue, priority, needs, dependents, continue_on_error, timeout_ms,
      max_attempts, max_losses, backoff, retry_delay_ms, retry_max_delay_ms, retry_jitter, status, unmet ${ofStep.names})
    select j.id, o, 's' || o, 'nobody', 'queue-' || o % 5, 0, '{}', '{}', false, 86400000, 1, 5, 'exponential', 1000,
      300000, true, ${steps_are}, 0 ${ofStep.values}
    from job j cross join generate_series(0, ${sql.lit(steps - 1)}) o where j.name = ${open.name}`.execute(
    db,
  );
}

/**
 * Makes as if the newest `jobs` of the history were open, all at once, and over again; nobody else sees it. `then` says
 * whether it is rolled back, which leaves dead rows in front of those that live, or whether the statistics are taken in
 * the middle of it, which are then those of a database where nearly everything is open.
 */
export async function churn(db: Kysely<Tables>, jobs: number, then: 'rollback' | 'analyze'): Promise<void> {
  await db.connection().execute(async (session) => {
    await sql`begin`.execute(session);
    await sql`create temporary table churned on commit drop as
      select id, status, finished_at from job where finished_at is not null and definition_hash = 'seeded'
      order by created_at desc limit ${sql.lit(jobs)}`.execute(session);
    await sql`update job set status = 'running', finished_at = null where id in (select id from churned)`.execute(
      session,
    );
    await sql`update step set finished_at = null,
        status = (array['running', 'ready', 'waiting', 'pending', 'pending'])[1 + ordinal % 5],
        claimed_by = job_id, turn = now() - interval '1 day', undecided = ordinal % 5 = 3, "if" = 'true',
        claim_expires_at = case when ordinal % 5 = 0 then now() - interval '1 day' end,
        wake_at = case when ordinal % 5 = 2 then now() - interval '1 day' end
      where job_id in (select id from churned)`.execute(session);
    if (then === 'rollback') {
      await sql`rollback`.execute(session);
      return;
    }
    await sql`analyze job`.execute(session);
    await sql`analyze step`.execute(session);
    await sql`update job set status = churned.status, finished_at = churned.finished_at from churned
      where churned.id = job.id`.execute(session);
    await sql`update step set finished_at = churned.finished_at, undecided = false, "if" = null, claimed_by = null,
        status = case when churned.status = 'succeeded' or ordinal < 4 then 'succeeded' else churned.status end,
        claim_expires_at = null, wake_at = null
      from churned where churned.id = job_id`.execute(session);
    await sql`commit`.execute(session);
  });
}
