import type { StoredError } from '../errors.ts';
import { changeStep, type JobDraft, moveStep, type StepState } from './draft.ts';

/** Whether a failure of this step fails the job and what is below it. */
export function failedForGood(step: StepState): boolean {
  return step.status === 'failed' && !step.continue_on_error;
}

/**
 * Tells the dependents of every step that became terminal, and what follows from that, all the way down: a step is
 * decided once, when the last of its needs is terminal. Costs O(edges touched).
 *
 * Returns the ordinals of dependents that the draft does not hold; load them (best with everything below them that
 * could be skipped too) and call again. Nothing is half done in between.
 */
export function propagate(draft: JobDraft): number[] {
  const missing = new Set<number>();
  draft.unheard = tellBelow(draft, draft.unheard, missing, tellDependent);
  draft.warned = tellBelow(draft, draft.warned, missing, passWarning);
  return [...missing];
}

/** Tells the dependents of each step; returns the steps some of whose dependents are missing, of which none was told. */
function tellBelow(
  draft: JobDraft,
  steps: readonly StepState[],
  missing: Set<number>,
  tell: (draft: JobDraft, dependent: StepState, need: StepState) => void,
): StepState[] {
  const later: StepState[] = [];
  // The list grows while we walk it: a skipped step has dependents too.
  for (let i = 0; i < steps.length; i += 1) {
    const step = steps[i] as StepState;
    const absent = step.dependents.filter((ordinal) => !draft.steps.has(ordinal));
    if (absent.length > 0) {
      for (const ordinal of absent) missing.add(ordinal);
      later.push(step);
      continue;
    }
    for (const ordinal of step.dependents) tell(draft, draft.steps.get(ordinal) as StepState, step);
  }
  return later;
}

function tellDependent(draft: JobDraft, step: StepState, need: StepState): void {
  const failedAbove = need.failed_above || failedForGood(need);
  if (failedAbove && draft.job.fail_fast) passWarning(draft, step);
  // Fail-fast cancels a step before its needs have ended; it has been decided.
  if (step.finished_at !== null) return;
  const letDown = letDownBy(need);
  changeStep(draft, step, {
    unmet: step.unmet - 1,
    failed_above: step.failed_above || failedAbove,
    need_not_succeeded:
      step.need_not_succeeded === 'need_failed' ? 'need_failed' : (letDown ?? step.need_not_succeeded),
  });
  if (step.unmet === 0) meetNeeds(draft, step);
}

/**
 * Notes at once, all the way down, that something failed above. With `fail_fast` a step may end before what is above
 * it, so a `failure()` below it may be asked before the news has come from need to need.
 */
function passWarning(draft: JobDraft, step: StepState): void {
  if (step.failed_above) return;
  changeStep(draft, step, { failed_above: true });
  draft.warned.push(step);
}

function letDownBy(need: StepState): StepState['need_not_succeeded'] {
  if (need.status === 'succeeded' || (need.status === 'failed' && need.continue_on_error)) return null;
  return need.status === 'failed' ? 'need_failed' : 'need_skipped';
}

/** What happens to a step whose needs are all terminal: skipped, left to its `if`, or held until there is room. */
export function meetNeeds(draft: JobDraft, step: StepState): void {
  const letDown = step.need_not_succeeded;
  if (letDown !== null && !step.if_uses_status) moveStep(draft, step, 'skipped', { reason: letDown });
  else if (step.has_if) changeStep(draft, step, { undecided: true, reason: 'undecided' });
  else changeStep(draft, step, { reason: 'held' });
}

/** What an evaluated `if` says: go on, skip, or an error that fails the step. */
export type Decision = { ok: true; value: boolean } | { ok: false; error: { code: string; message: string } };

/** Applies the decision on a step's `if`. The step must be undecided. */
export function decideStep(draft: JobDraft, step: StepState, decision: Decision): void {
  if (!decision.ok) failStep(draft, step, decision.error);
  else if (decision.value) changeStep(draft, step, { undecided: false, reason: 'held' });
  else moveStep(draft, step, 'skipped', { reason: 'condition_false' });
}

/** Reasons that only the engine gives; should a worker use such a word as its code, it does not become the reason. */
const ENGINE_REASONS = ['timed_out', 'claim_lost_limit'];

/**
 * Fails a step for good and notes on the job what failed it, if it does. The reason is the error's code, unless the
 * engine gives one of its own.
 */
export function failStep(
  draft: JobDraft,
  step: StepState,
  error: StoredError,
  reason: string = ENGINE_REASONS.includes(error.code) ? 'failed' : error.code,
): void {
  moveStep(draft, step, 'failed', { reason, error });
  if (step.continue_on_error) return;
  const { job } = draft;
  draft.failedNow = true;
  job.hard_failures += 1;
  job.error ??= {
    code: 'step_failed',
    message: `step "${step.name}" failed: ${error.message}`,
    details: { step: step.name, code: error.code },
  };
}

/** Whether the job asked to end at its first failure, and that has just come. */
export function mustFailFast(draft: JobDraft): boolean {
  return draft.job.fail_fast && draft.failedNow && draft.job.hard_failures > 0;
}

/** Cancels what `fail_fast` does not leave to its `if`. Every open step of the job must be in the draft. */
export function failFast(draft: JobDraft): void {
  draft.failedNow = false;
  for (const step of draft.steps.values()) {
    if (step.finished_at === null && !step.if_uses_status)
      moveStep(draft, step, 'cancelled', { reason: 'fail_fast' });
  }
}
