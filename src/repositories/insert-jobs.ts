import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Tx } from '../database/store.ts';
import type { Tables } from '../database/tables.ts';
import type { NormalJob } from '../domain/job-definition/normalise.ts';
import type { JobDraft } from '../domain/moves/draft.ts';
import { type BulkKind, rowsToInsert } from './bulk-rows.ts';
import { DATABASE_RUN } from './lock-jobs.ts';
import { JOB_COLUMNS as READ_JOB_COLUMNS } from './read-job-list.ts';
import type { ReadJob } from './read-jobs.ts';

/** A job to be inserted: its first state, what it was made from, and the request that asks for it. */
export interface NewJob {
  draft: JobDraft;
  definition: NormalJob;
  hash: string;
  idempotencyKey: string | null;
  /** W3C trace context of the request; null without one. */
  traceparent: string | null;
}

const JOB_KINDS = {
  id: 'uuid',
  name: 'text',
  status: 'text',
  reason: 'text',
  priority: 'int4',
  labels: 'jsonb',
  input: 'jsonb',
  error: 'jsonb',
  output_template: 'jsonb',
  output_reads: 'int4[]',
  output_undecided: 'bool',
  definition_hash: 'text',
  idempotency_key: 'text',
  source: 'jsonb',
  max_parallel: 'int4',
  fail_fast: 'bool',
  timeout_ms: 'int8',
  hard_failures: 'int4',
  progress: 'float8',
  steps_total: 'int4',
  steps_pending: 'int4',
  steps_ready: 'int4',
  steps_succeeded: 'int4',
  steps_failed: 'int4',
  steps_skipped: 'int4',
  steps_cancelled: 'int4',
  // Instants are relative to the insert.
  created_at: 'float8',
  run_at: 'float8',
  started_at: 'float8',
  finished_at: 'float8',
  deadline_at: 'float8',
} as const satisfies Record<string, BulkKind>;

const STEP_KINDS = {
  job_id: 'uuid',
  ordinal: 'int4',
  name: 'text',
  uses: 'text',
  queue: 'text',
  needs: 'int4[]',
  dependents: 'int4[]',
  if: 'text',
  if_uses_status: 'bool',
  if_reads: 'int4[]',
  with: 'jsonb',
  with_reads: 'int4[]',
  continue_on_error: 'bool',
  timeout_ms: 'int8',
  max_attempts: 'int4',
  max_losses: 'int4',
  backoff: 'text',
  retry_delay_ms: 'int8',
  retry_max_delay_ms: 'int8',
  retry_jitter: 'bool',
  priority: 'int4',
  status: 'text',
  reason: 'text',
  unmet: 'int4',
  need_not_succeeded: 'text',
  failed_above: 'bool',
  undecided: 'bool',
  error: 'jsonb',
  turn: 'float8',
  ready_at: 'float8',
  finished_at: 'float8',
} as const satisfies Record<string, BulkKind>;

const INSTANTS: ReadonlySet<string> = new Set([
  ...['created_at', 'run_at', 'started_at', 'finished_at', 'deadline_at'],
  ...['turn', 'ready_at'],
]);

/** What travels beside the columns of a job: its `run_at` as it was given. */
const GIVEN_KINDS = { ...JOB_KINDS, given_run_at: 'text' } as const satisfies Record<string, BulkKind>;

// Put together once: this is the statement of every submit.
const JOB_COLUMNS = columns(JOB_KINDS);
const JOB_VALUES = values('j', JOB_KINDS);
const STEP_COLUMNS = columns(STEP_KINDS);
const STEP_VALUES = values('d', STEP_KINDS);
const READ_COLUMNS = sql.raw(READ_JOB_COLUMNS.map(quoted).join(', '));

/** What was inserted: each job as a reader sees it, by its id; when, in milliseconds; and in which run of the database. */
export interface Inserted {
  jobs: ReadonlyMap<string, ReadJob>;
  now: number;
  database: string;
}

/**
 * Inserts jobs, each with all its steps, in one statement, as their drafts have them; the drafts' instants are milliseconds
 * relative to the moment of the insert: `placeInTime` sets them right once that is committed. Jobs whose idempotency key is taken are left out.
 */
export async function insertJobs(tx: Tx, jobs: readonly NewJob[]): Promise<Inserted> {
  const steps = jobs.flatMap(({ draft, definition }) =>
    definition.steps.map((step) => ({ ...step, ...draft.steps.get(step.ordinal), job_id: draft.job.id })),
  );
  const { rows } = await sql<ReadJob & { now_ms: number; database: string }>`
    with clock as materialized (select clock_timestamp() as now),
    inserted as (
      insert into job (${JOB_COLUMNS})
      select ${JOB_VALUES} from clock c cross join ${rowsToInsert('j', GIVEN_KINDS, jobs.map(jobRow))}
      on conflict (idempotency_key) where idempotency_key is not null do nothing
      returning ${READ_COLUMNS}
    ),
    steps as (
      insert into step (${STEP_COLUMNS})
      select ${STEP_VALUES} from clock c cross join ${rowsToInsert('d', STEP_KINDS, steps)}
      join inserted i on i.id = d.job_id
    )
    select i.*, c.now, (extract(epoch from c.now) * 1000)::float8 as now_ms, ${DATABASE_RUN} as database
    from inserted i cross join clock c`.execute(tx);
  const byId = new Map(rows.map((row) => [row.id, row]));
  return { jobs: byId, now: rows[0]?.now_ms ?? 0, database: rows[0]?.database ?? '' };
}

function jobRow({ draft, definition, hash, idempotencyKey, traceparent }: NewJob): object {
  return {
    ...draft.job,
    priority: definition.priority,
    labels: definition.labels,
    input: definition.input,
    output_template: definition.output,
    output_reads: definition.output_reads,
    definition_hash: hash,
    idempotency_key: idempotencyKey,
    source: { kind: 'api', ...(traceparent === null ? {} : { traceparent }) },
    created_at: 0,
    given_run_at: definition.run_at?.toISOString(),
  };
}

function columns(kinds: Record<string, BulkKind>): RawBuilder<unknown> {
  return sql.raw(Object.keys(kinds).map(quoted).join(', '));
}

function values(alias: string, kinds: Record<string, BulkKind>): RawBuilder<unknown> {
  return sql.raw(
    Object.entries(kinds)
      .map(([name, kind]) => value(alias, name, kind))
      .join(', '),
  );
}

function value(alias: string, name: string, kind: BulkKind): string {
  const ref = `${alias}.${quoted(name)}`;
  if (INSTANTS.has(name)) {
    const instant = `c.now + ${ref} * interval '1 millisecond'`;
    // As it was given: an instant that went through the clock would come back a little off.
    return name === 'run_at' ? `coalesce(j.given_run_at::timestamptz, ${instant})` : instant;
  }
  return kind === 'jsonb' || kind === 'int4[]' ? `${ref}::${kind}` : ref;
}

function quoted(name: string): string {
  return `"${name}"`;
}

/** The jobs that idempotency keys belong to. */
export async function findByIdempotencyKeys(
  db: Kysely<Tables>,
  keys: readonly string[],
): Promise<{ id: string; definition_hash: string; idempotency_key: string }[]> {
  const { rows } = await sql<{ id: string; definition_hash: string; idempotency_key: string }>`
    select id, definition_hash, idempotency_key from job
    where idempotency_key = any(${sql.val([...keys])}::text[]) and idempotency_key is not null`.execute(db);
  return rows;
}

/** The database's clock, in milliseconds since 1970. */
export async function readClock(db: Kysely<Tables>): Promise<number> {
  const { rows } = await sql<{ ms: number }>`
    select (extract(epoch from clock_timestamp()) * 1000)::float8 as ms`.execute(db);
  return (rows[0] as { ms: number }).ms;
}
