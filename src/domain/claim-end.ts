import { AppError } from './errors.ts';
import type { StepStatus } from './step-status.ts';

/** The calls that end a claim. */
export type ClaimVerb = 'complete' | 'fail' | 'release';

/** What became of a claim, told from what is stored. */
export type ClaimEnd =
  | { kind: 'running' }
  | {
      kind: 'ended';
      verb: ClaimVerb;
      outcome: 'succeeded' | 'failed' | 'retrying' | 'released';
      /** Milliseconds until the step may be taken again; absent when at once, or when that has come. */
      retry_in_ms?: number;
    }
  | { kind: 'lost'; reason: 'expired' | 'timed_out' | 'cancelled' | 'removed'; detail: string }
  | { kind: 'unknown' };

/** What is stored about the step and the attempt of a claim. */
export interface ClaimTrace {
  /** The step, if it still has the claim as its latest. */
  step: { status: StepStatus; reason: string | null; wakes_in_ms: number | null } | null;
  /** The attempt of the claim, if it ended without settling the step, or settled it before a retry by hand. */
  attempt: {
    outcome: 'succeeded' | 'failed' | 'timed_out' | 'lost' | 'released' | 'cancelled';
    settled: boolean;
    /** Given back because somebody removed the worker. */
    removed?: boolean;
  } | null;
}

/** What became of the claim. The attempt is asked first: a step that was opened again has forgotten how it ended. */
export function claimEndOf({ step, attempt }: ClaimTrace): ClaimEnd {
  if (attempt !== null) return endOfAttempt(attempt, step);
  if (step === null) return { kind: 'unknown' };
  switch (step.status) {
    case 'running':
      return { kind: 'running' };
    case 'succeeded':
      return { kind: 'ended', verb: 'complete', outcome: 'succeeded' };
    case 'waiting':
      // A timer: its worker is done with it, and it will succeed.
      return { kind: 'ended', verb: 'complete', outcome: 'succeeded' };
    case 'failed':
      if (step.reason === 'timed_out') return TIMED_OUT;
      if (step.reason === 'claim_lost_limit') return EXPIRED;
      return { kind: 'ended', verb: 'fail', outcome: 'failed' };
    default:
      return lostWithItsJob(step.reason);
  }
}

function endOfAttempt(attempt: NonNullable<ClaimTrace['attempt']>, step: ClaimTrace['step']): ClaimEnd {
  switch (attempt.outcome) {
    case 'succeeded':
      return { kind: 'ended', verb: 'complete', outcome: 'succeeded' };
    case 'failed':
      if (attempt.settled) return { kind: 'ended', verb: 'fail', outcome: 'failed' };
      return { kind: 'ended', verb: 'fail', outcome: 'retrying', ...delayOf(step) };
    case 'released':
      if (attempt.removed) return REMOVED;
      return { kind: 'ended', verb: 'release', outcome: 'released', ...delayOf(step) };
    case 'timed_out':
      return TIMED_OUT;
    case 'lost':
      return EXPIRED;
    case 'cancelled':
      return lostWithItsJob(null);
  }
}

function delayOf(step: ClaimTrace['step']): { retry_in_ms?: number } {
  const left = Math.ceil(step?.wakes_in_ms ?? 0);
  return left > 0 ? { retry_in_ms: left } : {};
}

const TIMED_OUT: ClaimEnd = {
  kind: 'lost',
  reason: 'timed_out',
  detail: "the attempt did not end within the step's timeout; drop this result",
};
const EXPIRED: ClaimEnd = {
  kind: 'lost',
  reason: 'expired',
  detail: 'the claim expired and the step was given to others; drop this result',
};

const REMOVED: ClaimEnd = {
  kind: 'lost',
  reason: 'removed',
  detail: 'the worker was removed and its steps were given to others; drop this result',
};

function lostWithItsJob(reason: string | null): ClaimEnd {
  const because: Partial<Record<string, string>> = {
    fail_fast: 'another step of the job failed, and the job says fail_fast',
    job_timeout: 'the job did not end within its timeout',
  };
  const what = because[reason ?? ''] ?? 'the job was cancelled';
  return { kind: 'lost', reason: 'cancelled', detail: `${what}; drop this result` };
}

/** How a call about a claim that does not run any more is refused. */
export function claimRefusal(end: Exclude<ClaimEnd, { kind: 'running' }>): AppError {
  if (end.kind === 'unknown')
    return new AppError('claim_not_found', 'there is no such claim, or its job has been deleted');
  if (end.kind === 'lost') return new AppError('claim_lost', end.detail, [], { reason: end.reason });
  const detail = `the claim has ended by ${end.verb} already; what was said first stands`;
  return new AppError('claim_settled', detail);
}
