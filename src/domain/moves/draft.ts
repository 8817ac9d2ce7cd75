import { BrokenRule, type StoredError } from '../errors.ts';
import { JOB_MOVES, type JobStatus } from '../job-status.ts';
import type { Json } from '../json.ts';
import type { Backoff } from '../retry-policy.ts';
import { isTerminalStep, STEP_MOVES, type StepStatus } from '../step-status.ts';

/** What the engine knows of a job while it holds the job's lock. Instants are milliseconds since 1970. */
export type JobState = {
  id: string;
  /** For people; nothing is decided by it. */
  name: string;
  status: JobStatus;
  reason: string | null;
  version: number;
  max_parallel: number | null;
  fail_fast: boolean;
  has_output: boolean;
  /** Not read, only written: absent means as it was. */
  output?: Json;
  output_undecided: boolean;
  error: StoredError | null;
  timeout_ms: number;
  retry_round: number;
  hard_failures: number;
  progress: number;
  running_progress: number;
  run_at: number | null;
  started_at: number | null;
  finished_at: number | null;
  deadline_at: number;
  steps_total: number;
  /** What workers are told of it; absent where it was not loaded. */
  about?: { labels: Record<string, string>; traceparent: string | null };
} & Record<`steps_${StepStatus}`, number>;

/** What the engine knows of a step while it holds the job's lock. Instants are milliseconds since 1970. */
export interface StepState {
  ordinal: number;
  name: string;
  uses: string;
  queue: string;
  priority: number;
  dependents: number[];
  has_if: boolean;
  if_uses_status: boolean;
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
  claim_expires_at: number | null;
  /** Not read, only written when a claim is granted. They matter while that runs, and may be lost afterwards. */
  claim_ttl_ms?: number | null;
  claim_request?: string | null;
  progress: number | null;
  /** Not read, only written: absent means as it was. It may be large, and no decision looks at it. */
  output?: Json;
  /** What whoever runs it is handed, if its `with` is literal and small and was loaded. */
  work?: { with: Json } | null;
  error: StoredError | null;
  turn: number | null;
  ready_at: number | null;
  started_at: number | null;
  finished_at: number | null;
  wake_at: number | null;
}

/** An attempt that ended without settling its step, or had settled one that is opened again: a row of history. */
export interface EndedAttempt {
  ordinal: number;
  attempt: number;
  outcome: 'succeeded' | 'failed' | 'timed_out' | 'lost' | 'released' | 'cancelled';
  settled: boolean;
  error: StoredError | null;
  claim_id: string | null;
  claimed_by: string | null;
  started_at: number | null;
  finished_at: number;
}

/**
 * One job's changes, worked out in memory while its row is locked and written in one go. Holds only the steps that
 * the change touches; whoever needs another one loads it first.
 */
export interface JobDraft {
  job: JobState;
  /** The job as it was loaded. */
  jobBefore: JobState;
  steps: Map<number, StepState>;
  /** The database's clock, read after the lock was taken. */
  now: number;
  /** In which run of which database the job was read; null for one that is not there yet. */
  database: string | null;
  /** Steps that changed, as they were before: the guard of the write. */
  before: Map<number, StepState>;
  jobChanged: boolean;
  /** A step failed for good in this draft: what `fail_fast` looks at. */
  failedNow: boolean;
  ended: EndedAttempt[];
  /** Terminal steps whose dependents have not heard of it yet. */
  unheard: StepState[];
  /** Steps above which something has failed for good, and what is below them has not heard of it. */
  warned: StepState[];
  /** Steps that this draft made ready. */
  promoted: StepState[];
}

export function openDraft(
  job: JobState,
  steps: Iterable<StepState>,
  now: number,
  database: string | null = null,
): JobDraft {
  const draft = draftOver(job, new Map(), now, database);
  addSteps(draft, steps);
  return draft;
}

/** A draft that works on these very steps, however many there are. */
export function draftOver(
  job: JobState,
  steps: Map<number, StepState>,
  now: number,
  database: string | null,
): JobDraft {
  return {
    job,
    jobBefore: { ...job },
    steps,
    now,
    database,
    before: new Map(),
    jobChanged: false,
    failedNow: false,
    ended: [],
    unheard: [],
    warned: [],
    promoted: [],
  };
}

/** Adds loaded steps; one that is already there stays as the draft has it. */
export function addSteps(draft: JobDraft, steps: Iterable<StepState>): void {
  for (const step of steps) if (!draft.steps.has(step.ordinal)) draft.steps.set(step.ordinal, step);
}

/** Changes fields of a step, remembering how it was for the guard of the write. */
export function changeStep(draft: JobDraft, step: StepState, changes: Partial<StepState>): void {
  if (!draft.before.has(step.ordinal)) draft.before.set(step.ordinal, { ...step });
  Object.assign(step, changes);
}

/**
 * Moves a step to another status and keeps the job's counters and the step's timestamps in agreement with it.
 * Throws on a move that `STEP_MOVES` does not know: a bug of ours, which must not reach the database.
 */
export function moveStep(
  draft: JobDraft,
  step: StepState,
  to: StepStatus,
  changes: Partial<StepState> = {},
): void {
  const from = step.status;
  if (!(to in STEP_MOVES[from]))
    throw new BrokenRule(`step "${step.name}" may not move from ${from} to ${to}`);
  const { job } = draft;
  if (from === 'running') job.running_progress = Math.max(0, job.running_progress - (step.progress ?? 0));
  changeStep(draft, step, {
    claim_expires_at: null,
    wake_at: null,
    undecided: false,
    reason: null,
    ...(from === 'running' ? { progress: null } : {}),
    ...(isTerminalStep(to) ? { finished_at: draft.now } : {}),
    ...changes,
    status: to,
  });
  job[`steps_${from}`] -= 1;
  job[`steps_${to}`] += 1;
  draft.jobChanged = true;
  if (isTerminalStep(to)) draft.unheard.push(step);
}

/** Changes fields of the job. */
export function changeJob(draft: JobDraft, changes: Partial<JobState>): void {
  Object.assign(draft.job, changes);
  draft.jobChanged = true;
}

/** Moves the job to another status; throws on a move that `JOB_MOVES` does not know. */
export function moveJob(draft: JobDraft, to: JobStatus, changes: Partial<JobState> = {}): void {
  const from = draft.job.status;
  if (!(to in JOB_MOVES[from]))
    throw new BrokenRule(`job ${draft.job.id} may not move from ${from} to ${to}`);
  changeJob(draft, { reason: null, ...changes, status: to });
}

/** How many steps of the job have not ended. */
export function openSteps(job: JobState): number {
  return job.steps_pending + job.steps_ready + job.steps_running + job.steps_waiting;
}
