import { changeJob, type JobDraft, type JobState, moveJob, moveStep, type StepState } from './draft.ts';

/** Whether the job lets steps become ready at all: not before its `run_at`, not while paused, not once it is over. */
export function isOpenForWork(job: JobState): boolean {
  return job.status === 'queued' || job.status === 'running';
}

/** How many more steps may be ready or running now. */
export function room(job: JobState): number {
  if (!isOpenForWork(job)) return 0;
  if (job.max_parallel === null) return Number.POSITIVE_INFINITY;
  return job.max_parallel - job.steps_ready - job.steps_running;
}

/** A step that its graph lets go and only the job holds back. */
export function isHeld(step: StepState): boolean {
  return step.status === 'pending' && step.unmet === 0 && !step.undecided;
}

/** Puts a step among the held ones; `promoteHeld` is the one place that decides whether it may go on. */
export function hold(draft: JobDraft, step: StepState, changes: Partial<StepState> = {}): void {
  moveStep(draft, step, 'pending', { reason: 'held', ...changes });
}

// Each step of a job takes its turn this much after the one before it, so that a giant job spreads its claim on the
// queue over time and a small one slips in between.
const TURN_SPACING_MS = 5;

/**
 * Promotes held steps in order of their ordinal, as far as there is room: those that this draft has changed, and those
 * that were held `before`, of which the lowest ordinals must be given.
 */
export function promoteHeld(draft: JobDraft, before: readonly { ordinal: number }[] = []): void {
  let left = room(draft.job);
  if (left <= 0) return;
  const ordinals = new Set([...draft.before.keys(), ...before.map(({ ordinal }) => ordinal)]);
  const held = [...ordinals]
    .flatMap((ordinal) => draft.steps.get(ordinal) ?? [])
    .filter(isHeld)
    .sort((a, b) => a.ordinal - b.ordinal);
  for (const step of held) {
    if (left <= 0) return;
    const turn = draft.now + draft.job.steps_ready * TURN_SPACING_MS;
    moveStep(draft, step, 'ready', { ready_at: draft.now, turn });
    draft.promoted.push(step);
    left -= 1;
  }
}

/** To whom a step is handed, and on what terms. */
export interface ClaimTerms {
  claimed_by: string;
  ttl_ms: number;
  /** What an extend that names no ttl goes by; absent for those that always name it. */
  claim_ttl_ms?: number;
  /** Under which request of the worker. */
  claim_request?: string | null;
}

/** Hands a ready step to a worker. The claim never outlives the attempt's or the job's deadline. */
export function grantClaim(
  draft: JobDraft,
  step: StepState,
  { ttl_ms, ...grant }: ClaimTerms & { claim_id: string },
): void {
  const { now, job } = draft;
  moveStep(draft, step, 'running', {
    ...grant,
    claim_expires_at: Math.min(now + ttl_ms, now + step.timeout_ms, job.deadline_at),
    attempt: step.attempt + 1,
    started_at: now,
    progress: null,
    error: null,
    turn: null,
  });
  if (job.status === 'queued') moveJob(draft, 'running', { started_at: now });
  else changeJob(draft, {});
}
