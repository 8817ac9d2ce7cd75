import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Tx } from '../database/store.ts';
import type { Tables } from '../database/tables.ts';
import type { NormalJob } from '../domain/job-definition/normalise.ts';
import type { JobDraft } from '../domain/moves/draft.ts';
import { type BulkKind, bulkRows } from './bulk-rows.ts';

const STEP_KINDS = {
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
  // Instants are relative to the insert.
  turn: 'float8',
  ready_at: 'float8',
  finished_at: 'float8',
} as const satisfies Record<string, BulkKind>;

const INSTANTS: ReadonlySet<string> = new Set(['turn', 'ready_at', 'finished_at']);

/**
 * Inserts a job and all its steps in one statement, as its draft has them; the draft's instants are milliseconds
 * relative to the moment of the insert. False when the idempotency key is taken: nothing was inserted.
 */
export async function insertJob(
  tx: Tx,
  draft: JobDraft,
  definition: NormalJob,
  request: { idempotencyKey: string | null; hash: string },
): Promise<boolean> {
  const rows = definition.steps.map((step) => ({ ...step, ...draft.steps.get(step.ordinal) }));
  const names = Object.keys(STEP_KINDS);
  const { rows: inserted } = await sql<{ id: string }>`
    with clock as materialized (select clock_timestamp() as now),
    inserted as (${insertJobRow(draft, definition, request)}),
    steps as (
      insert into step (job_id, ${sql.join(names.map((name) => sql.ref(name)))})
      select i.id, ${sql.join(Object.entries(STEP_KINDS).map(([name, kind]) => stepValue(name, kind)))}
      from inserted i cross join clock c cross join ${bulkRows('d', STEP_KINDS, rows)}
    )
    select id from inserted`.execute(tx);
  return inserted.length === 1;
}

function stepValue(name: string, kind: BulkKind): RawBuilder<unknown> {
  const ref = sql.ref(`d.${name}`);
  if (INSTANTS.has(name)) return sql`c.now + ${ref} * interval '1 millisecond'`;
  return kind === 'jsonb' || kind === 'int4[]' ? sql`${ref}::${sql.raw(kind)}` : ref;
}

function insertJobRow(
  { job }: JobDraft,
  definition: NormalJob,
  request: { idempotencyKey: string | null; hash: string },
): RawBuilder<unknown> {
  const columns = {
    id: sql`${job.id}::uuid`,
    name: sql`${definition.name}`,
    status: sql`${job.status}`,
    reason: sql`${job.reason}`,
    priority: sql`${definition.priority}::int2`,
    labels: json(definition.labels),
    input: json(definition.input),
    error: json(job.error),
    output_template: json(definition.output),
    output_reads: sql`${definition.output_reads}::int4[]`,
    output_undecided: sql`${job.output_undecided}::bool`,
    definition_hash: sql`${request.hash}`,
    idempotency_key: sql`${request.idempotencyKey}`,
    max_parallel: sql`${job.max_parallel}::int4`,
    fail_fast: sql`${job.fail_fast}::bool`,
    timeout_ms: sql`${job.timeout_ms}::int8`,
    hard_failures: sql`${job.hard_failures}::int4`,
    progress: sql`${job.progress}::float8`,
    steps_total: sql`${job.steps_total}::int4`,
    steps_pending: sql`${job.steps_pending}::int4`,
    steps_ready: sql`${job.steps_ready}::int4`,
    steps_succeeded: sql`${job.steps_succeeded}::int4`,
    steps_failed: sql`${job.steps_failed}::int4`,
    steps_skipped: sql`${job.steps_skipped}::int4`,
    steps_cancelled: sql`${job.steps_cancelled}::int4`,
    created_at: sql`c.now`,
    // As it was given: an instant that went through the clock would come back a little off.
    run_at: definition.run_at ? sql`${definition.run_at.toISOString()}::timestamptz` : at(job.run_at),
    started_at: at(job.started_at),
    finished_at: at(job.finished_at),
    deadline_at: at(job.deadline_at),
  };
  return sql`insert into job (${sql.join(Object.keys(columns).map((name) => sql.ref(name)))})
    select ${sql.join(Object.values(columns))} from clock c
    on conflict (idempotency_key) where idempotency_key is not null do nothing
    returning id`;
}

/** An instant of a draft, which is relative to the insert. */
function at(ms: number | null): RawBuilder<unknown> {
  return ms === null ? sql`null::timestamptz` : sql`c.now + ${ms}::float8 * interval '1 millisecond'`;
}

function json(value: unknown): RawBuilder<unknown> {
  return value === null ? sql`null::jsonb` : sql`${JSON.stringify(value)}::jsonb`;
}

/** The job that an idempotency key belongs to. */
export async function findByIdempotencyKey(
  db: Kysely<Tables>,
  key: string,
): Promise<{ id: string; definition_hash: string } | undefined> {
  return db
    .selectFrom('job')
    .select(['id', 'definition_hash'])
    .where('idempotency_key', '=', key)
    .executeTakeFirst();
}

/** Milliseconds from now, by the database's clock, to an instant. */
export async function millisecondsUntil(db: Kysely<Tables>, at: Date): Promise<number> {
  const { rows } = await sql<{ ms: number }>`
    select (extract(epoch from ${at.toISOString()}::timestamptz - clock_timestamp()) * 1000)::float8 as ms`.execute(
    db,
  );
  return rows[0]?.ms ?? 0;
}
