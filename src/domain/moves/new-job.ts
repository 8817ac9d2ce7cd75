import type { NormalJob, NormalStep } from '../job-definition/normalise.ts';
import { type JobDraft, type JobState, openDraft, type StepState } from './draft.ts';
import { finishJob } from './finish-job.ts';
import { promoteHeld } from './hold.ts';
import { type Decision, decideStep, failFast, meetNeeds, mustFailFast, propagate } from './propagate.ts';

/**
 * Works out the first state of a submitted job: which steps are ready, which are decided by their `if` at once.
 * Instants are milliseconds relative to the moment of the insert, by the database's clock; `runIn` is the time until
 * the job may start. `decide` evaluates the `if` of a step that needs nothing.
 */
export function draftNewJob(
  id: string,
  job: NormalJob,
  runIn: number | null,
  decide: (step: NormalStep) => Decision,
): JobDraft {
  const steps = job.steps.map((step) => newStep(step, job.priority));
  const draft = openDraft(newJobState(id, job, runIn), steps, 0);
  for (const step of steps) {
    if (step.unmet > 0) continue;
    meetNeeds(draft, step);
    if (step.undecided) decideStep(draft, step, decide(job.steps[step.ordinal] as NormalStep));
  }
  if (mustFailFast(draft)) failFast(draft);
  propagate(draft);
  promoteHeld(draft);
  finishJob(draft);
  return draft;
}

function newJobState(id: string, job: NormalJob, runIn: number | null): JobState {
  return {
    id,
    name: job.name,
    status: runIn !== null && runIn > 0 ? 'scheduled' : 'queued',
    reason: null,
    // The version that is inserted is 1; 0 is what was there before.
    version: 0,
    max_parallel: job.max_parallel,
    fail_fast: job.fail_fast,
    has_output: job.output !== null,
    output_undecided: false,
    error: null,
    timeout_ms: job.timeout_ms,
    retry_round: 0,
    hard_failures: 0,
    progress: 0,
    running_progress: 0,
    run_at: runIn,
    started_at: null,
    finished_at: null,
    deadline_at: Math.max(0, runIn ?? 0) + job.timeout_ms,
    steps_total: job.steps.length,
    steps_pending: job.steps.length,
    steps_ready: 0,
    steps_running: 0,
    steps_waiting: 0,
    steps_succeeded: 0,
    steps_failed: 0,
    steps_skipped: 0,
    steps_cancelled: 0,
  };
}

function newStep(step: NormalStep, priority: number): StepState {
  const { ordinal, name, uses, queue, dependents, if_uses_status, continue_on_error, timeout_ms } = step;
  const { max_attempts, max_losses, backoff, retry_delay_ms, retry_max_delay_ms, retry_jitter } = step;
  return {
    ...{ ordinal, name, uses, queue, priority, dependents, if_uses_status, continue_on_error, timeout_ms },
    ...{ max_attempts, max_losses, backoff, retry_delay_ms, retry_max_delay_ms, retry_jitter },
    has_if: step.if !== null,
    status: 'pending',
    reason: 'needs',
    unmet: step.needs.length,
    undecided: false,
    need_not_succeeded: null,
    failed_above: false,
    version: 1,
    attempt: 0,
    failures: 0,
    losses: 0,
    releases: 0,
    claim_id: null,
    claimed_by: null,
    claim_expires_at: null,
    progress: null,
    error: null,
    turn: null,
    ready_at: null,
    started_at: null,
    finished_at: null,
    wake_at: null,
  };
}
