import { type JobDraft, type JobState, openDraft, type StepState } from '../../src/domain/moves/draft.ts';
import { promoteHeld } from '../../src/domain/moves/hold.ts';
import { meetNeeds } from '../../src/domain/moves/propagate.ts';
import { STEP_STATUSES } from '../../src/domain/step-status.ts';

export const NOW = 1_000_000;

export function stepState(ordinal: number, step: Partial<StepState> = {}): StepState {
  return {
    ...{ ordinal, name: `s${ordinal}`, uses: 'value', queue: 'default', priority: 0, dependents: [] },
    ...{ has_if: false, if_uses_status: false, continue_on_error: false, timeout_ms: 60_000 },
    ...{ max_attempts: 1, max_losses: 5, backoff: 'exponential', retry_delay_ms: 1_000 },
    ...{ retry_max_delay_ms: 300_000, retry_jitter: false, status: 'pending', reason: 'needs', unmet: 0 },
    ...{
      undecided: false,
      need_not_succeeded: null,
      failed_above: false,
      version: 1,
      attempt: 0,
      failures: 0,
    },
    ...{ losses: 0, releases: 0, claim_id: null, claimed_by: null, claim_expires_at: null, progress: null },
    ...{ error: null, turn: null, ready_at: null, started_at: null, finished_at: null, wake_at: null },
    ...step,
  };
}

/** A draft of a job with these steps; its counters follow from them. */
export function draftOf(steps: StepState[], job: Partial<JobState> = {}): JobDraft {
  const counters = STEP_STATUSES.map((status) => [
    `steps_${status}`,
    steps.filter((step) => step.status === status).length,
  ]);
  const state: JobState = {
    ...{
      id: 'job',
      name: 'a job',
      status: 'queued',
      reason: null,
      version: 1,
      max_parallel: null,
      fail_fast: false,
    },
    ...{ has_output: false, output_undecided: false, error: null, timeout_ms: 3_600_000, retry_round: 0 },
    ...{
      hard_failures: 0,
      progress: 0,
      running_progress: 0,
      run_at: null,
      started_at: null,
      finished_at: null,
    },
    ...{ deadline_at: NOW + 3_600_000, steps_total: steps.length },
    ...(Object.fromEntries(counters) as Record<`steps_${(typeof STEP_STATUSES)[number]}`, number>),
    ...job,
  };
  return openDraft(state, steps, NOW);
}

/** A draft of a new job of this graph: what needs nothing is ready or waits for its `if`. */
export function draftOfGraph(
  needs: readonly number[][],
  steps: Partial<StepState>[] = [],
  job: Partial<JobState> = {},
): JobDraft {
  const states = needs.map((above, ordinal) => {
    const dependents = needs.flatMap((other, index) => (other.includes(ordinal) ? [index] : []));
    return stepState(ordinal, { dependents, unmet: above.length, ...steps[ordinal] });
  });
  const draft = draftOf(states, job);
  for (const step of states) if (step.unmet === 0 && step.status === 'pending') meetNeeds(draft, step);
  promoteHeld(draft, [...draft.steps.values()]);
  return draft;
}

export function stepOf(draft: JobDraft, ordinal: number): StepState {
  return draft.steps.get(ordinal) as StepState;
}

export function statuses(draft: JobDraft): string[] {
  return [...draft.steps.values()].sort((a, b) => a.ordinal - b.ordinal).map((step) => step.status);
}

/** The counters of the job, and what a recount gives. */
export function counters(draft: JobDraft): { counted: number[]; recounted: number[] } {
  const all = [...draft.steps.values()];
  return {
    counted: STEP_STATUSES.map((status) => draft.job[`steps_${status}`]),
    recounted: STEP_STATUSES.map((status) => all.filter((step) => step.status === status).length),
  };
}
