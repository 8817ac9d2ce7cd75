import { formatDuration } from '../duration.ts';
import type { StoredError } from '../errors.ts';
import type { Json } from '../json.ts';
import { lossDelay, retryDelay } from '../retry-policy.ts';
import { changeStep, type EndedAttempt, type JobDraft, moveStep, type StepState } from './draft.ts';
import { hold } from './hold.ts';
import { failStep } from './propagate.ts';

/** How an attempt ended. */
export type AttemptEnd =
  | { kind: 'succeeded'; output: Json }
  | { kind: 'failed'; error: StoredError; retryable: boolean; retry_after_ms?: number }
  | { kind: 'timed_out' }
  /** Not over: the same attempt succeeds with this output when its timer, a duration or an instant, is due. */
  | { kind: 'parked'; for_ms?: number; until?: number; output: Json }
  /** Given back, uncharged: by its worker, or because of what `error` says. */
  | { kind: 'released'; delay_ms?: number; error?: StoredError }
  /** Its worker died, or its claim expired. */
  | { kind: 'lost' };

const RELEASES_WITHOUT_DELAY = 20;
const RELEASE_DELAY_MS = 10_000;

/**
 * Applies the end of a running step's attempt: the step settles, waits for another attempt, or is held for one.
 * `random` (0..1) spreads the retry delay.
 */
export function endAttempt(draft: JobDraft, step: StepState, end: AttemptEnd, random: number): void {
  switch (end.kind) {
    case 'succeeded':
      moveStep(draft, step, 'succeeded', { output: end.output, error: null });
      return;
    case 'parked':
      moveStep(draft, step, 'waiting', {
        reason: 'timer',
        wake_at: end.until ?? draft.now + (end.for_ms ?? 0),
        output: end.output,
      });
      return;
    case 'failed':
      endFailed(draft, step, end, random);
      return;
    case 'timed_out':
      endFailed(draft, step, { error: timeoutError(step), retryable: true, timedOut: true }, random);
      return;
    case 'released':
      endReleased(draft, step, end);
      return;
    case 'lost':
      endLost(draft, step, random);
  }
}

function timeoutError(step: StepState): StoredError {
  return {
    code: 'timeout',
    message: `attempt ${step.attempt} did not end within its timeout of ${formatDuration(step.timeout_ms)}`,
  };
}

interface Failure {
  error: StoredError;
  retryable: boolean;
  retry_after_ms?: number;
  timedOut?: boolean;
}

function endFailed(draft: JobDraft, step: StepState, failure: Failure, random: number): void {
  const failures = step.failures + 1;
  changeStep(draft, step, { failures, losses: 0 });
  if (!failure.retryable || failures >= step.max_attempts) {
    failStep(draft, step, failure.error, failure.timedOut ? 'timed_out' : undefined);
    return;
  }
  recordAttempt(draft, step, failure.timedOut ? 'timed_out' : 'failed', failure.error);
  const delay = Math.max(failure.retry_after_ms ?? 0, retryDelay(step, failures, random));
  tryAgain(draft, step, delay, failure.error);
}

function endReleased(
  draft: JobDraft,
  step: StepState,
  { delay_ms = 0, error = null }: { delay_ms?: number; error?: StoredError | null },
): void {
  const releases = step.releases + 1;
  recordAttempt(draft, step, 'released', error);
  changeStep(draft, step, { releases });
  const delay = Math.max(delay_ms, Math.max(0, releases - RELEASES_WITHOUT_DELAY) * RELEASE_DELAY_MS);
  tryAgain(draft, step, delay, null);
}

function endLost(draft: JobDraft, step: StepState, random: number): void {
  const losses = step.losses + 1;
  const error = {
    code: 'claim_lost',
    message: `attempt ${step.attempt} was lost: its worker died or stopped extending its claim`,
  };
  changeStep(draft, step, { losses });
  if (losses > step.max_losses) {
    const message = `lost ${losses} times in a row, more than max_losses (${step.max_losses}) allows; it may be what ends its worker`;
    failStep(draft, step, { code: 'claim_lost_limit', message }, 'claim_lost_limit');
    return;
  }
  recordAttempt(draft, step, 'lost', error);
  tryAgain(draft, step, lossDelay(losses, random), error);
}

function tryAgain(draft: JobDraft, step: StepState, delay: number, error: StoredError | null): void {
  if (delay > 0)
    moveStep(draft, step, 'waiting', { reason: 'retry_delay', wake_at: draft.now + delay, error });
  else hold(draft, step, { error });
}

/** Ends a waiting step's wait: a timer succeeds, a delay is over. */
export function wakeStep(draft: JobDraft, step: StepState): void {
  if (step.reason === 'timer') moveStep(draft, step, 'succeeded', { error: null });
  else hold(draft, step);
}

/** Keeps the current attempt as a row of history; `settled`: it had settled its step, which is opened again. */
export function recordAttempt(
  draft: JobDraft,
  step: StepState,
  outcome: EndedAttempt['outcome'],
  error: StoredError | null,
  settled = false,
): void {
  const { ordinal, attempt, claim_id, claimed_by, started_at } = step;
  // One that is recorded only when its step is opened again ended long ago.
  const finished_at = step.finished_at ?? draft.now;
  draft.ended.push({
    ordinal,
    attempt,
    outcome,
    settled,
    error,
    claim_id,
    claimed_by,
    started_at,
    finished_at,
  });
}
