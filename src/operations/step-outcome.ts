import type { JobDraft } from '../domain/moves/draft.ts';
import { type AttemptEnd, endAttempt } from '../domain/moves/end-attempt.ts';

/** How one claimed attempt ended. */
export interface StepOutcome {
  job_id: string;
  ordinal: number;
  claim_id: string;
  end: AttemptEnd;
}

/** Where a settled attempt left its step. */
export interface StepAfter {
  /** The step failed for good, whatever the worker said: also when its output could not be stored. */
  failed: boolean;
  /** Milliseconds until the step may be taken again; null when at once, or never. */
  retry_in_ms: number | null;
}

/** Ends the attempt in the draft, if the outcome's claim is the one that is valid. */
export function applyOutcome(draft: JobDraft | undefined, outcome: StepOutcome): 'settled' | 'claim_lost' {
  const step = draft?.steps.get(outcome.ordinal);
  if (!draft || step?.status !== 'running' || step.claim_id !== outcome.claim_id) return 'claim_lost';
  endAttempt(draft, step, outcome.end, Math.random());
  return 'settled';
}

/** Where the step is, in the draft. */
export function stepAfter(draft: JobDraft | undefined, ordinal: number): StepAfter {
  const step = draft?.steps.get(ordinal);
  const waits = step?.status === 'waiting' && step.wake_at !== null;
  return {
    failed: step?.status === 'failed',
    retry_in_ms: waits ? Math.max(0, (step.wake_at ?? 0) - (draft?.now ?? 0)) : null,
  };
}
