import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Tables } from '../database/tables.ts';
import type { Json } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import { bulkRows } from './bulk-rows.ts';
import type { StepKey } from './load-steps.ts';

/** A step as expressions see it. */
export interface ReadStep {
  ordinal: number;
  name: string;
  status: string;
  output: Json;
}

// What is small is loaded without asking for its size first.
const UNMEASURED_STEPS = Math.floor(LIMITS.inputsBytes / LIMITS.valueBytes);

/**
 * Loads the steps that one template or condition reads; the output of a step that did not succeed is null.
 * Returns `too_large` instead when their outputs together pass the limit.
 */
export async function loadReads(
  db: Kysely<Tables>,
  jobId: string,
  ordinals: readonly number[],
): Promise<ReadStep[] | 'too_large'> {
  if (ordinals.length === 0) return [];
  const wanted = sql`job_id = ${jobId} and ordinal = any(${sql.val([...ordinals])}::int4[])`;
  if (ordinals.length > UNMEASURED_STEPS) {
    const { rows } = await sql<{ bytes: number | null }>`
      select sum(octet_length(output::text))::float8 as bytes from step where ${wanted}`.execute(db);
    if ((rows[0]?.bytes ?? 0) > LIMITS.inputsBytes) return 'too_large';
  }
  const { rows } = await sql<ReadStep>`
    select ordinal, name, status, case when status = 'succeeded' then output end as output
    from step where ${wanted}`.execute(db);
  return rows;
}

/** Everything that a worker needs to run one claimed step, before its `with` is rendered. */
export interface Handout {
  job_id: string;
  ordinal: number;
  claim_id: string;
  job_name: string;
  retry_round: number;
  step: string;
  uses: string;
  attempt: number;
  with: Json;
  /** Null when `with` is literal; then `needs` and `input` are not loaded either. */
  with_reads: number[] | null;
  needs: number[] | null;
  input: Json;
  /** Milliseconds that the attempt still has, by the database's clock. The job's deadline is not its affair. */
  timeout_in_ms: number;
}

/** The same for a worker at the other end of a wire. */
export interface RemoteHandout extends Handout {
  queue: string;
  max_attempts: number;
  expires_at: Date;
  /** Milliseconds that the claim is still valid, by the database's clock; may be negative. */
  expires_in_ms: number;
  /** Milliseconds until the attempt's or the job's time is over, whichever comes first. */
  deadline_in_ms: number;
  labels: Record<string, string>;
  /** W3C trace context of the request that submitted the job; null when it had none. */
  traceparent: string | null;
}

const HANDOUT_COLUMNS = sql`s.job_id, s.ordinal, s.claim_id, j.name as job_name, j.retry_round, s.name as step, s.uses,
  s.attempt, s."with", s.with_reads,
  case when s.with_reads is not null then s.needs end as needs,
  case when s.with_reads is not null then j.input end as input,
  ${millisecondsUntil(sql`s.started_at + s.timeout_ms * interval '1 millisecond'`)} as timeout_in_ms`;

const REMOTE_COLUMNS = sql`${HANDOUT_COLUMNS}, s.queue, s.max_attempts, s.claim_expires_at as expires_at,
  ${millisecondsUntil(sql`s.claim_expires_at`)} as expires_in_ms,
  ${millisecondsUntil(sql`least(s.started_at + s.timeout_ms * interval '1 millisecond', j.deadline_at)`)} as deadline_in_ms,
  j.labels, j.source ->> 'traceparent' as traceparent`;

function millisecondsUntil(instant: RawBuilder<unknown>): RawBuilder<number> {
  return sql`extract(epoch from ${instant} - clock_timestamp())::float8 * 1000`;
}

type ClaimOfStep = StepKey & { claim_id: string };

/** Loads what the claims that are still valid need. */
export function loadHandouts(db: Kysely<Tables>, claims: readonly ClaimOfStep[]): Promise<Handout[]> {
  return loadOfClaims(db, HANDOUT_COLUMNS, claims);
}

/** Loads what the claims that are still valid need to be handed to remote workers. */
export function loadRemoteHandouts(
  db: Kysely<Tables>,
  claims: readonly ClaimOfStep[],
): Promise<RemoteHandout[]> {
  return loadOfClaims(db, REMOTE_COLUMNS, claims);
}

async function loadOfClaims<Row>(
  db: Kysely<Tables>,
  columns: RawBuilder<unknown>,
  claims: readonly ClaimOfStep[],
): Promise<Row[]> {
  const { rows } = await sql<Row>`
    select ${columns}
    from ${bulkRows('k', { job_id: 'uuid', ordinal: 'int4', claim_id: 'uuid' }, claims)}
    cross join lateral (select * from step s where s.job_id = k.job_id and s.ordinal = k.ordinal offset 0) s
    cross join lateral (select * from job j where j.id = k.job_id offset 0) j
    where s.claim_id = k.claim_id and s.status || '' = 'running'`.execute(db);
  return rows;
}

/** A step whose `if` waits to be decided, and what it reads. */
export interface UndecidedStep {
  job_id: string;
  ordinal: number;
  version: number;
  if: string;
  if_reads: number[];
  needs: number[];
  need_not_succeeded: string | null;
  failed_above: boolean;
  input: Json;
}

/** Steps whose `if` waits to be decided, oldest jobs first, but for those of the jobs in `except`. */
export async function loadUndecidedSteps(
  db: Kysely<Tables>,
  limit: number,
  except: readonly string[],
): Promise<UndecidedStep[]> {
  const { rows } = await sql<UndecidedStep>`
    select s.job_id, s.ordinal, s.version, s."if", s.if_reads, s.needs, s.need_not_succeeded, s.failed_above, j.input
    from (
      select * from step s where s.undecided and s.job_id <> all(${sql.val([...except])}::uuid[])
      order by s.job_id, s.ordinal limit ${limit}
    ) s cross join lateral (select input from job j where j.id = s.job_id offset 0) j`.execute(db);
  return rows;
}

/** A job of which only the `output` is still to be evaluated. */
export interface UndecidedOutput {
  id: string;
  retry_round: number;
  input: Json;
  output_template: Json;
  output_reads: number[];
}

/** Jobs whose `output` waits to be evaluated, but for those in `except`. */
export async function loadUndecidedOutputs(
  db: Kysely<Tables>,
  limit: number,
  except: readonly string[],
): Promise<UndecidedOutput[]> {
  const { rows } = await sql<UndecidedOutput>`
    select id, retry_round, input, output_template, coalesce(output_reads, '{}') as output_reads
    from job where output_undecided and id <> all(${sql.val([...except])}::uuid[]) order by id limit ${limit}`.execute(
    db,
  );
  return rows;
}
