/**
 * What the engine should do, in memory and as plainly as it can be said: whatever follows from a change is worked out
 * anew from the whole graph. Written from the rules, not from the engine; it shares no code with it.
 */

type Status = 'pending' | 'ready' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'skipped' | 'cancelled';
type JobStatus = 'scheduled' | 'queued' | 'running' | 'paused' | 'succeeded' | 'failed' | 'cancelled';
type Outcome = 'succeeded' | 'failed' | 'timed_out' | 'lost' | 'released' | 'cancelled';

export type Condition =
  | { kind: 'literal'; value: boolean }
  | { kind: 'success' | 'failure' | 'always' | 'broken' }
  | { kind: 'not'; of: Condition }
  | { kind: 'and' | 'or'; left: Condition; right: Condition }
  | { kind: 'output'; step: number; above: number }
  | { kind: 'needs'; status: Status }
  | { kind: 'status'; step: number; status: Status };

export interface PlannedStep {
  ordinal: number;
  name: string;
  needs: number[];
  condition: Condition | null;
  continue_on_error: boolean;
  max_attempts: number;
  max_losses: number;
  retry_delay_ms: number;
  /** Absent: an action of the server, and the queue of everybody. */
  uses?: string;
  queue?: string;
}

export interface Plan {
  steps: PlannedStep[];
  max_parallel: number | null;
  fail_fast: boolean;
  /** Whether `run_at` is still to come. */
  scheduled: boolean;
  priority?: number;
  /** The step whose output is the job's, an expression that fails, or none. */
  output: number | 'broken' | null;
}

export interface OracleStep extends PlannedStep {
  status: Status;
  reason: string | null;
  /** The graph lets it go: its needs are met and its `if`, if any, was true. */
  decided: boolean;
  undecided: boolean;
  attempt: number;
  failures: number;
  losses: number;
  releases: number;
  claim: string | null;
  worker: string | null;
  /** What it reports while it runs, 0 to 1. */
  progress: number | null;
  error: string | null;
  output: { n: number } | null;
  history: Map<number, Outcome>;
}

export interface OracleJob {
  id: string;
  plan: Plan;
  steps: OracleStep[];
  status: JobStatus;
  reason: string | null;
  error: string | null;
  output: unknown;
  outputUndecided: boolean;
  started: boolean;
  runAtToCome: boolean;
  progress: number;
  /** A step failed for good in the change under way. */
  failedNow: boolean;
}

export type End =
  | { kind: 'succeeded'; output: { n: number } }
  | { kind: 'failed'; retryable: boolean; retry_after_ms: number }
  | { kind: 'timed_out' | 'lost' }
  | { kind: 'parked'; output: { n: number } }
  | { kind: 'released'; delay_ms: number };

const TERMINAL: readonly string[] = ['succeeded', 'failed', 'skipped', 'cancelled'];

export const isOver = (thing: { status: string }) => TERMINAL.includes(thing.status);

/** Failed, and not with `continue_on_error`. */
const isHardFailure = (step: OracleStep) => step.status === 'failed' && !step.continue_on_error;

const countOf = (job: OracleJob, status: Status) => job.steps.filter((step) => step.status === status).length;

const needsOf = (job: OracleJob, step: OracleStep) => step.needs.map((need) => job.steps[need] as OracleStep);

export function unmetOf(job: OracleJob, step: OracleStep): number {
  return needsOf(job, step).filter((need) => !isOver(need)).length;
}

function isAbove(job: OracleJob, upper: OracleStep, lower: OracleStep): boolean {
  return needsOf(job, lower).some((need) => need === upper || isAbove(job, upper, need));
}

export function usesStatusFunction(condition: Condition | null): boolean {
  if (condition === null) return false;
  if (condition.kind === 'not') return usesStatusFunction(condition.of);
  if (condition.kind === 'and' || condition.kind === 'or') {
    return usesStatusFunction(condition.left) || usesStatusFunction(condition.right);
  }
  return condition.kind === 'success' || condition.kind === 'failure' || condition.kind === 'always';
}

function needsSucceeded(job: OracleJob, step: OracleStep): boolean {
  return needsOf(job, step).every(
    (need) => need.status === 'succeeded' || (need.status === 'failed' && need.continue_on_error),
  );
}

/** True or false, or undefined where the expression cannot be evaluated. */
function evaluate(job: OracleJob, step: OracleStep, condition: Condition): boolean | undefined {
  switch (condition.kind) {
    case 'literal':
      return condition.value;
    case 'broken':
      return undefined;
    case 'always':
      return true;
    case 'success':
      return needsSucceeded(job, step);
    case 'failure':
      return job.steps.some((other) => isHardFailure(other) && isAbove(job, other, step));
    case 'not':
      return !evaluate(job, step, condition.of);
    case 'and':
      return evaluate(job, step, condition.left) && evaluate(job, step, condition.right);
    case 'or':
      return evaluate(job, step, condition.left) || evaluate(job, step, condition.right);
    case 'output': {
      const read = job.steps[condition.step] as OracleStep;
      return read.status === 'succeeded' && read.output ? read.output.n > condition.above : undefined;
    }
    case 'needs':
      return needsOf(job, step).some((need) => need.status === condition.status);
    case 'status':
      return job.steps[condition.step]?.status === condition.status;
  }
}

export function submit(id: string, plan: Plan): OracleJob {
  const steps = plan.steps.map(
    (step): OracleStep => ({
      ...step,
      ...{ status: 'pending', reason: 'needs', decided: false, undecided: false },
      ...{ attempt: 0, failures: 0, losses: 0, releases: 0, claim: null, worker: null, progress: null },
      ...{ error: null, output: null, history: new Map() },
    }),
  );
  const job: OracleJob = {
    ...{ id, plan, steps, status: plan.scheduled ? 'scheduled' : 'queued', reason: null, error: null },
    ...{ output: null, outputUndecided: false, started: false, runAtToCome: plan.scheduled, progress: 0 },
    failedNow: false,
  };
  // The conditions of steps that need nothing are decided before anything is stored.
  for (const step of steps) if (step.needs.length === 0) meetNeeds(job, step);
  decideAll(job);
  follow(job);
  return job;
}

/** All needs of the step are terminal: it is skipped, left to its `if`, or free to go. */
function meetNeeds(job: OracleJob, step: OracleStep): void {
  if (!needsSucceeded(job, step) && !usesStatusFunction(step.condition)) {
    const failed = needsOf(job, step).some(isHardFailure);
    end(step, 'skipped', failed ? 'need_failed' : 'need_skipped');
  } else if (step.condition !== null) {
    step.undecided = true;
    step.reason = 'undecided';
  } else {
    step.decided = true;
    step.reason = 'held';
  }
}

/** Decides every `if` that waits; all are evaluated before the first is applied. */
export function decideAll(job: OracleJob): void {
  const waiting = job.steps.filter((step) => step.undecided);
  const values = waiting.map((step) => evaluate(job, step, step.condition as Condition));
  for (const [index, step] of waiting.entries()) {
    step.undecided = false;
    if (values[index] === undefined) fail(job, step, 'expression_error');
    else if (values[index]) Object.assign(step, { decided: true, reason: 'held' });
    else end(step, 'skipped', 'condition_false');
  }
}

/** Everything that follows from what has just changed. */
export function follow(job: OracleJob): void {
  if (job.failedNow && job.plan.fail_fast) {
    for (const step of job.steps) {
      if (!isOver(step) && !usesStatusFunction(step.condition)) end(step, 'cancelled', 'fail_fast');
    }
  }
  job.failedNow = false;
  for (let again = true; again; ) {
    again = false;
    for (const step of job.steps) {
      if (step.status !== 'pending' || step.decided || step.undecided || unmetOf(job, step) > 0) continue;
      meetNeeds(job, step);
      again = true;
    }
  }
  promote(job);
  finish(job);
}

function promote(job: OracleJob): void {
  if (job.status !== 'queued' && job.status !== 'running') return;
  for (const step of job.steps) {
    const taken = countOf(job, 'ready') + countOf(job, 'running');
    if (job.plan.max_parallel !== null && taken >= job.plan.max_parallel) return;
    if (step.status === 'pending' && step.decided) Object.assign(step, { status: 'ready', reason: null });
  }
}

function finish(job: OracleJob): void {
  if (isOver(job)) return;
  noteProgress(job);
  if (!job.steps.every(isOver) || job.outputUndecided) return;
  if (job.steps.some(isHardFailure)) endJob(job, 'failed', 'step_failed');
  else if (job.plan.output !== null)
    Object.assign(job, { outputUndecided: true, reason: 'output_undecided' });
  else endJob(job, 'succeeded', null);
}

/** Never falls; what running steps report counts. */
function noteProgress(job: OracleJob): void {
  const done = job.steps.reduce((sum, step) => sum + (isOver(step) ? 1 : (step.progress ?? 0)), 0);
  job.progress = Math.max(job.progress, done / job.steps.length);
}

export function report(job: OracleJob, step: OracleStep, progress: number): void {
  step.progress = progress;
  noteProgress(job);
}

/** What is cut short keeps the progress that it had made. */
function endJob(job: OracleJob, status: JobStatus, reason: string | null): void {
  Object.assign(job, { status, reason, outputUndecided: false });
}

export function decideOutput(job: OracleJob): void {
  if (!job.outputUndecided) return;
  if (job.plan.output === 'broken') {
    job.error = 'expression_error';
    endJob(job, 'failed', 'expression_error');
    return;
  }
  const read = job.steps[job.plan.output as number] as OracleStep;
  job.output = { of: read.status === 'succeeded' ? read.output : null };
  endJob(job, 'succeeded', null);
}

function end(step: OracleStep, status: Status, reason: string | null): void {
  Object.assign(step, { status, reason, undecided: false, progress: null });
}

function fail(job: OracleJob, step: OracleStep, code: string, reason: string = code): void {
  end(step, 'failed', reason);
  step.error = code;
  if (step.continue_on_error) return;
  job.failedNow = true;
  job.error ??= 'step_failed';
}

export function claim(job: OracleJob, step: OracleStep, claimId: string, worker: string): void {
  if (step.status !== 'ready') throw new Error(`${step.name} was claimed while ${step.status}`);
  Object.assign(step, { status: 'running', claim: claimId, worker, attempt: step.attempt + 1, error: null });
  if (job.status === 'queued') Object.assign(job, { status: 'running', started: true });
}

/** Ends an attempt; what follows from it comes with `follow`, once all ends of one batch are in. */
export function endAttempt(job: OracleJob, step: OracleStep, how: End): void {
  switch (how.kind) {
    case 'succeeded':
      end(step, 'succeeded', null);
      Object.assign(step, { output: how.output, error: null });
      return;
    case 'parked':
      end(step, 'waiting', 'timer');
      step.output = how.output;
      return;
    case 'released':
      step.releases += 1;
      runAgain(step, 'released', null, how.delay_ms);
      return;
    case 'lost':
      step.losses += 1;
      if (step.losses > step.max_losses) fail(job, step, 'claim_lost_limit');
      else runAgain(step, 'lost', 'claim_lost', step.losses > 1 ? 1 : 0);
      return;
    default: {
      const code = how.kind === 'timed_out' ? 'timeout' : 'went_wrong';
      step.failures += 1;
      step.losses = 0;
      const isLast = (how.kind === 'failed' && !how.retryable) || step.failures >= step.max_attempts;
      const asked = how.kind === 'failed' ? how.retry_after_ms : 0;
      if (isLast) fail(job, step, code, how.kind === 'timed_out' ? 'timed_out' : code);
      else runAgain(step, how.kind, code, Math.max(step.retry_delay_ms, asked));
    }
  }
}

function runAgain(step: OracleStep, outcome: Outcome, error: string | null, delay: number): void {
  step.history.set(step.attempt, outcome);
  step.error = error;
  if (delay > 0) end(step, 'waiting', 'retry_delay');
  else end(step, 'pending', 'held');
}

/** What a waiting step waited for has come. */
export function wake(step: OracleStep): void {
  if (step.reason === 'timer') {
    end(step, 'succeeded', null);
    step.error = null;
  } else {
    end(step, 'pending', 'held');
  }
}

export function pause(job: OracleJob): void {
  Object.assign(job, { status: 'paused', reason: 'paused by hand' });
  for (const step of job.steps) if (step.status === 'ready') end(step, 'pending', 'held');
}

export function resume(job: OracleJob): void {
  job.status = job.started ? 'running' : job.runAtToCome ? 'scheduled' : 'queued';
  job.reason = job.outputUndecided ? 'output_undecided' : null;
  follow(job);
}

/** Ends the job and all that is open in it. */
export function stop(job: OracleJob, status: 'cancelled' | 'failed', reason: string, why: string): void {
  for (const step of job.steps) if (!isOver(step)) end(step, 'cancelled', why);
  if (status === 'failed') job.error = reason;
  endJob(job, status, reason);
}

export function retry(job: OracleJob): void {
  const opened = job.steps.filter(
    (step) => isHardFailure(step) || step.status === 'cancelled' || step.status === 'skipped',
  );
  const below = job.steps.filter((step) => opened.some((upper) => isAbove(job, upper, step)));
  for (const step of new Set([...opened, ...below])) reopen(step);
  Object.assign(job, {
    status: job.runAtToCome ? 'scheduled' : 'queued',
    reason: null,
    error: null,
    output: null,
  });
  Object.assign(job, { outputUndecided: false, started: false });
  job.progress = job.steps.filter(isOver).length / job.steps.length;
  follow(job);
}

function reopen(step: OracleStep): void {
  if (step.attempt > 0 && !step.history.has(step.attempt)) step.history.set(step.attempt, lastOutcome(step));
  end(step, 'pending', 'needs');
  Object.assign(step, { decided: false, failures: 0, losses: 0, releases: 0, error: null, output: null });
}

function lastOutcome(step: OracleStep): Outcome {
  if (step.reason === 'timed_out') return 'timed_out';
  if (step.reason === 'claim_lost_limit') return 'lost';
  return step.status as Outcome;
}
