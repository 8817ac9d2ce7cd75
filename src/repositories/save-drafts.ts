import { type RawBuilder, sql } from 'kysely';
import type { Tx } from '../database/store.ts';
import { BrokenRule } from '../domain/errors.ts';
import type { JobDraft, JobState, StepState } from '../domain/moves/draft.ts';
import { type BulkKind, bulkRows, castOf } from './bulk-rows.ts';

/** What may change on a step, and how it travels. */
const STEP_KINDS = {
  status: 'text',
  reason: 'text',
  unmet: 'int4',
  undecided: 'bool',
  need_not_succeeded: 'text',
  failed_above: 'bool',
  version: 'int4',
  attempt: 'int4',
  failures: 'int4',
  losses: 'int4',
  releases: 'int4',
  claim_id: 'uuid',
  claimed_by: 'uuid',
  claim_expires_at: 'instant',
  claim_ttl_ms: 'int4',
  claim_request: 'text',
  progress: 'float8',
  error: 'jsonb',
  turn: 'instant',
  ready_at: 'instant',
  started_at: 'instant',
  finished_at: 'instant',
  wake_at: 'instant',
} as const satisfies Partial<Record<keyof StepState, BulkKind>>;

/** What may change on a job, and how it travels. */
const JOB_KINDS = {
  status: 'text',
  reason: 'text',
  version: 'int4',
  output_undecided: 'bool',
  error: 'jsonb',
  retry_round: 'int4',
  hard_failures: 'int4',
  progress: 'float8',
  running_progress: 'float8',
  steps_pending: 'int4',
  steps_ready: 'int4',
  steps_running: 'int4',
  steps_waiting: 'int4',
  steps_succeeded: 'int4',
  steps_failed: 'int4',
  steps_skipped: 'int4',
  steps_cancelled: 'int4',
  started_at: 'instant',
  finished_at: 'instant',
  deadline_at: 'instant',
} as const satisfies Partial<Record<keyof JobState, BulkKind>>;

/** Changes of a step that no reader can see do not count as a change of its version. */
const UNSEEN: ReadonlySet<string> = new Set([
  'unmet',
  'need_not_succeeded',
  'failed_above',
  'turn',
  'claim_expires_at',
  'claim_ttl_ms',
  'claim_request',
]);

interface StepChange {
  job_id: string;
  ordinal: number;
  step: StepState;
  before: StepState;
}

/**
 * Writes what changed in the drafts, in one statement: steps, ended attempts and jobs. Only columns that some row
 * changes are named. Every step is guarded by the status and claim it had when it was loaded; should a guard not
 * hold, somebody moved a step without the job's lock, and the whole transaction ends.
 */
export async function saveDrafts(tx: Tx, drafts: readonly JobDraft[]): Promise<void> {
  const changed = drafts.filter((draft) => draft.jobChanged || draft.before.size > 0);
  if (changed.length === 0) return;
  for (const draft of changed) raiseVersions(draft);
  const steps = changed.flatMap(stepChanges);
  const { rows } = await sql<{ steps: number; jobs: number }>`
    with moved as (${updateSteps(steps)}), ended as (${insertAttempts(changed)}), jobs as (${updateJobs(changed)})
    select (select count(*) from moved)::int4 as steps, (select count(*) from jobs)::int4 as jobs`.execute(
    tx,
  );
  const [counts] = rows;
  if (counts?.steps !== steps.length || counts.jobs !== changed.length) {
    throw new BrokenRule(
      `a guarded write found ${counts?.steps} of ${steps.length} steps as it expected them`,
    );
  }
}

function raiseVersions(draft: JobDraft): void {
  const version = draft.jobBefore.version + 1;
  draft.job.version = version;
  for (const [ordinal, before] of draft.before) {
    const step = draft.steps.get(ordinal) as StepState;
    const seen =
      step.output !== undefined || changedColumns(STEP_KINDS, step, before).some((c) => !UNSEEN.has(c));
    if (seen) step.version = version;
  }
}

function stepChanges(draft: JobDraft): StepChange[] {
  return [...draft.before].map(([ordinal, before]) => ({
    job_id: draft.job.id,
    ordinal,
    step: draft.steps.get(ordinal) as StepState,
    before,
  }));
}

function changedColumns<Row extends object>(
  kinds: Record<string, BulkKind>,
  row: Row,
  before: Row,
): string[] {
  return Object.keys(kinds).filter((column) => row[column as keyof Row] !== before[column as keyof Row]);
}

function unionOfColumns<Row extends object>(
  kinds: Record<string, BulkKind>,
  pairs: readonly (readonly [Row, Row])[],
): string[] {
  const columns = new Set<string>();
  for (const [row, before] of pairs)
    for (const column of changedColumns(kinds, row, before)) columns.add(column);
  return [...columns];
}

function pick<Kind>(kinds: Record<string, Kind>, columns: readonly string[]): Record<string, Kind> {
  return Object.fromEntries(columns.map((column) => [column, kinds[column] as Kind]));
}

function assignments(columns: Record<string, BulkKind>, output: boolean): RawBuilder<unknown> {
  const list = Object.entries(columns).map(
    ([column, kind]) => sql`${sql.ref(column)} = ${castOf('d', column, kind)}`,
  );
  // An output that nobody set stays as it is, unread.
  if (output) list.push(sql`output = case when d.new_output_set then d.new_output::jsonb else t.output end`);
  return sql.join(list);
}

const OUTPUT_KINDS = { new_output_set: 'bool', new_output: 'jsonb' } as const;

function outputColumns(row: { output?: unknown }): Record<string, unknown> {
  return { new_output_set: row.output !== undefined, new_output: row.output };
}

function updateSteps(changes: readonly StepChange[]): RawBuilder<unknown> {
  if (changes.length === 0) return sql`select where false`;
  const columns = pick<BulkKind>(
    STEP_KINDS,
    unionOfColumns(
      STEP_KINDS,
      changes.map((c) => [c.step, c.before]),
    ),
  );
  const output = changes.some((change) => change.step.output !== undefined);
  const keys = { job_id: 'uuid', ordinal: 'int4', old_status: 'text', old_claim: 'uuid' } as const;
  const rows = changes.map(({ job_id, ordinal, step, before }) => ({
    ...step,
    ...outputColumns(step),
    job_id,
    ordinal,
    old_status: before.status,
    old_claim: before.claim_id,
  }));
  // `status || ''` keeps the partial indexes out of the plan: statistics say that they are empty, and the planner
  // would scan one of them once a row.
  return sql`update step t set ${assignments(columns, output)}
    from ${bulkRows('d', { ...keys, ...columns, ...(output ? OUTPUT_KINDS : {}) }, rows)}
    where t.job_id = d.job_id and t.ordinal = d.ordinal
      and t.status || '' = d.old_status and t.claim_id is not distinct from d.old_claim
    returning 1`;
}

function insertAttempts(drafts: readonly JobDraft[]): RawBuilder<unknown> {
  const rows = drafts.flatMap((draft) => draft.ended.map((ended) => ({ ...ended, job_id: draft.job.id })));
  if (rows.length === 0) return sql`select where false`;
  const kinds = {
    job_id: 'uuid',
    ordinal: 'int4',
    attempt: 'int4',
    outcome: 'text',
    settled: 'bool',
    error: 'jsonb',
    claim_id: 'uuid',
    claimed_by: 'uuid',
    started_at: 'instant',
    finished_at: 'instant',
  } as const satisfies Record<string, BulkKind>;
  const names = Object.entries(kinds);
  // An attempt that ended before a retry by hand is there already.
  return sql`insert into attempt (${sql.join(names.map(([name]) => sql.ref(name)))})
    select ${sql.join(names.map(([name, kind]) => castOf('d', name, kind)))} from ${bulkRows('d', kinds, rows)}
    on conflict do nothing returning 1`;
}

function updateJobs(drafts: readonly JobDraft[]): RawBuilder<unknown> {
  const columns = pick<BulkKind>(
    JOB_KINDS,
    unionOfColumns(
      JOB_KINDS,
      drafts.map((d) => [d.job, d.jobBefore]),
    ),
  );
  const output = drafts.some((draft) => draft.job.output !== undefined);
  const rows = drafts.map(({ job }) => ({ ...job, ...outputColumns(job) }));
  return sql`update job t set ${assignments(columns, output)}
    from ${bulkRows('d', { id: 'uuid', ...columns, ...(output ? OUTPUT_KINDS : {}) }, rows)}
    where t.id = d.id returning 1`;
}
