import { isTerminalStep } from '../step-status.ts';
import { changeStep, type EndedAttempt, type JobDraft, moveJob, moveStep, type StepState } from './draft.ts';
import { recordAttempt } from './end-attempt.ts';
import { restingStatus } from './pause-job.ts';
import { failedForGood, meetNeeds } from './propagate.ts';

/**
 * Retries a failed or cancelled job by hand: opens again what failed, was cancelled or was skipped, and every step
 * below, since its needs change. Every step of the job must be in the draft; `needs` gives each step's needs.
 */
export function reopenJob(draft: JobDraft, needs: ReadonlyMap<number, number[]>): void {
  const { job, now } = draft;
  for (const step of stepsToReopen(draft)) reopenStep(draft, step);
  // Whoever is reopened is pending now, so what is terminal still is what stays.
  for (const step of draft.steps.values()) {
    if (!isTerminalStep(step.status)) countNeedsAnew(draft, step, needs.get(step.ordinal) ?? []);
  }
  job.hard_failures = [...draft.steps.values()].filter(failedForGood).length;
  moveJob(draft, restingStatus(job.run_at, null, now), {
    error: null,
    output: null,
    output_undecided: false,
    started_at: null,
    finished_at: null,
    progress: (job.steps_succeeded + job.steps_failed) / job.steps_total,
    running_progress: 0,
    retry_round: job.retry_round + 1,
    deadline_at: Math.max(now, job.run_at ?? now) + job.timeout_ms,
  });
  draft.unheard = [];
}

function stepsToReopen(draft: JobDraft): StepState[] {
  const reopened = new Set<number>();
  const queue = [...draft.steps.values()].filter(
    (step) => failedForGood(step) || step.status === 'cancelled' || step.status === 'skipped',
  );
  for (const step of queue) reopened.add(step.ordinal);
  for (let i = 0; i < queue.length; i += 1) {
    for (const ordinal of (queue[i] as StepState).dependents) {
      if (reopened.has(ordinal)) continue;
      reopened.add(ordinal);
      queue.push(draft.steps.get(ordinal) as StepState);
    }
  }
  return queue;
}

function reopenStep(draft: JobDraft, step: StepState): void {
  if (step.attempt > 0 && step.status !== 'skipped')
    recordAttempt(draft, step, lastOutcome(step), step.error, true);
  moveStep(draft, step, 'pending', {
    reason: 'needs',
    failures: 0,
    losses: 0,
    releases: 0,
    output: null,
    error: null,
    turn: null,
    ready_at: null,
    started_at: null,
    finished_at: null,
    need_not_succeeded: null,
    failed_above: false,
  });
}

function countNeedsAnew(draft: JobDraft, step: StepState, needs: number[]): void {
  const terminal = needs
    .map((ordinal) => draft.steps.get(ordinal) as StepState)
    .filter((need) => isTerminalStep(need.status));
  // A need that stays terminal succeeded, or failed with `continue_on_error`: everything else was opened again.
  // So nothing above a reopened step has failed for good, and none of its needs has let it down yet.
  changeStep(draft, step, { unmet: needs.length - terminal.length });
  if (step.unmet === 0) meetNeeds(draft, step);
}

function lastOutcome(step: StepState): EndedAttempt['outcome'] {
  if (step.status === 'succeeded' || step.status === 'cancelled') return step.status;
  if (step.reason === 'timed_out') return 'timed_out';
  return step.reason === 'claim_lost_limit' ? 'lost' : 'failed';
}
