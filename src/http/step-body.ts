import type { AttemptBody, StepBody } from '../contract/step.ts';
import { blockedBy, type Offers } from '../domain/blocked-by.ts';
import { isTerminalStep } from '../domain/step-status.ts';
import type { ReadAttempt, ReadStep } from '../repositories/read-steps.ts';
import { instant } from './job-body.ts';

/** A step as the wire shows it. */
export function stepBody(step: ReadStep, offers: Offers): StepBody {
  return {
    name: step.name,
    status: step.status,
    reason: step.reason,
    uses: step.uses,
    queue: step.queue,
    needs: step.needs.map((need) => need.name),
    attempt: step.attempt,
    failures: step.failures,
    losses: step.losses,
    max_attempts: step.max_attempts,
    progress: step.status === 'succeeded' ? 1 : step.progress,
    output: step.output,
    error: step.error,
    claimed_by: step.status === 'running' ? step.claimed_by : null,
    version: step.version,
    ready_at: instant(step.ready_at),
    started_at: instant(step.started_at),
    finished_at: instant(step.finished_at),
    wake_at: instant(step.wake_at),
    blocked_by: blockedBy(step, jobOf(step), offers),
  };
}

/** Every attempt of a step: those that ended without settling it, and the one that the step itself holds. */
export function attemptBodies(step: ReadStep, ended: readonly ReadAttempt[]): AttemptBody[] {
  const bodies: AttemptBody[] = ended.map((attempt) => ({
    attempt: attempt.attempt,
    outcome: attempt.outcome,
    error: attempt.error,
    worker: attempt.claimed_by,
    started_at: instant(attempt.started_at),
    finished_at: instant(attempt.finished_at),
  }));
  const isHeld = step.attempt > 0 && ended.every((attempt) => attempt.attempt !== step.attempt);
  if (isHeld) bodies.push(heldAttempt(step));
  return bodies;
}

function heldAttempt(step: ReadStep): AttemptBody {
  const over = isTerminalStep(step.status);
  return {
    attempt: step.attempt,
    outcome: over ? outcomeOf(step) : null,
    error: over ? step.error : null,
    worker: step.claimed_by,
    started_at: instant(step.started_at),
    finished_at: over ? instant(step.finished_at) : null,
  };
}

// By the reason, which the engine gives; the code of an error may be a worker's own word.
function outcomeOf({ status, reason }: ReadStep): string {
  if (status !== 'failed') return status;
  if (reason === 'timed_out') return reason;
  return reason === 'claim_lost_limit' ? 'lost' : status;
}

function jobOf(step: ReadStep) {
  return {
    status: step.job_status,
    run_at: step.job_run_at,
    max_parallel: step.job_max_parallel,
    steps_ready: step.job_steps_ready,
    steps_running: step.job_steps_running,
  };
}
