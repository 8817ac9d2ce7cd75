import type { ColumnType, Generated } from 'kysely';
import type { StoredError } from '../domain/errors.ts';
import type { JobStatus } from '../domain/job-status.ts';
import type { Json, JsonObject } from '../domain/json.ts';
import type { Backoff } from '../domain/retry-policy.ts';
import type { StepStatus } from '../domain/step-status.ts';

/** A jsonb column: read as its value, written as JSON text (a bare string or array would be taken for SQL otherwise). */
type JsonColumn<T> = ColumnType<T, string | null, string | null>;

export interface JobTable {
  id: string;
  name: string;
  status: JobStatus;
  reason: string | null;
  version: number;
  priority: number;
  labels: JsonColumn<Record<string, string>>;
  input: JsonColumn<Json>;
  output: JsonColumn<Json>;
  error: JsonColumn<StoredError | null>;
  output_template: JsonColumn<Json>;
  output_reads: number[] | null;
  output_undecided: boolean;
  definition_hash: string;
  idempotency_key: string | null;
  source: JsonColumn<JsonObject>;
  max_parallel: number | null;
  fail_fast: boolean;
  timeout_ms: number;
  retry_round: number;
  hard_failures: number;
  progress: number;
  running_progress: number;
  steps_total: number;
  steps_pending: number;
  steps_ready: number;
  steps_running: number;
  steps_waiting: number;
  steps_succeeded: number;
  steps_failed: number;
  steps_skipped: number;
  steps_cancelled: number;
  created_at: Date;
  run_at: Date | null;
  started_at: Date | null;
  finished_at: Date | null;
  deadline_at: Date;
}

export interface StepTable {
  job_id: string;
  ordinal: number;
  name: string;
  uses: string;
  queue: string;
  priority: number;
  needs: number[];
  dependents: number[];
  if: string | null;
  if_uses_status: boolean;
  if_reads: number[];
  with: JsonColumn<Json>;
  with_reads: number[] | null;
  continue_on_error: boolean;
  timeout_ms: number;
  max_attempts: number;
  max_losses: number;
  backoff: Backoff;
  retry_delay_ms: number;
  retry_max_delay_ms: number;
  retry_jitter: boolean;
  status: StepStatus;
  reason: string | null;
  unmet: number;
  undecided: boolean;
  need_not_succeeded: 'need_failed' | 'need_skipped' | null;
  failed_above: boolean;
  version: number;
  attempt: number;
  failures: number;
  losses: number;
  releases: number;
  claim_id: string | null;
  claimed_by: string | null;
  claim_expires_at: Date | null;
  claim_ttl_ms: number | null;
  claim_request: string | null;
  progress: number | null;
  output: JsonColumn<Json>;
  error: JsonColumn<StoredError | null>;
  turn: Date | null;
  ready_at: Date | null;
  started_at: Date | null;
  finished_at: Date | null;
  wake_at: Date | null;
}

export interface AttemptTable {
  job_id: string;
  ordinal: number;
  attempt: number;
  outcome: AttemptOutcome;
  settled: Generated<boolean>;
  error: JsonColumn<StoredError | null>;
  claim_id: string | null;
  claimed_by: string | null;
  started_at: Date | null;
  finished_at: Date;
}

export type AttemptOutcome = 'succeeded' | 'failed' | 'timed_out' | 'lost' | 'released' | 'cancelled';

export interface StepLogTable {
  job_id: string;
  ordinal: number;
  attempt: number;
  start: number;
  data: Buffer;
  logged_at: Generated<Date>;
}

export interface WorkerTable {
  id: string;
  kind: 'server' | 'remote';
  name: string;
  version: string;
  uses: string[];
  queues: string[] | null;
  slots: number;
  labels: ColumnType<Record<string, string>, string | undefined, string>;
  command: ColumnType<'run' | 'drain' | 'stop', 'run' | undefined, 'run' | 'drain' | 'stop'>;
  lock_key: Generated<number>;
  started_at: Generated<Date>;
  last_seen_at: Generated<Date>;
}

/** Every table, as Kysely sees it. */
export interface Tables {
  job: JobTable;
  step: StepTable;
  attempt: AttemptTable;
  step_log: StepLogTable;
  worker: WorkerTable;
}
