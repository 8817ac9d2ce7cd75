import { formatDuration } from '../duration.ts';
import { isTerminalJob } from '../job-status.ts';
import type { Json } from '../json.ts';
import { jobProgress } from '../progress.ts';
import { changeJob, type JobDraft, moveJob, moveStep, openSteps } from './draft.ts';

/**
 * Ends the job when nothing in it is open: failed if a step failed for good; left undecided while its `output` is
 * still to be evaluated; else succeeded. Also moves the high-water mark of its progress.
 */
export function finishJob(draft: JobDraft): void {
  const { job } = draft;
  if (isTerminalJob(job.status)) return;
  job.progress = jobProgress(job);
  if (openSteps(job) > 0 || job.output_undecided) return;
  if (job.hard_failures > 0) endJob(draft, 'failed', { reason: 'step_failed' });
  else if (job.has_output) changeJob(draft, { output_undecided: true, reason: 'output_undecided' });
  else endJob(draft, 'succeeded', {});
}

/** Applies the evaluated `output` of a job that is waiting for it. */
export function decideOutput(
  draft: JobDraft,
  decision: { ok: true; value: Json } | { ok: false; error: { code: string; message: string } },
): void {
  if (decision.ok) endJob(draft, 'succeeded', { output: decision.value });
  else endJob(draft, 'failed', { reason: decision.error.code, error: decision.error });
}

/** Cancels a job by hand, with everything open in it; every open step must be in the draft. */
export function cancelJobDraft(draft: JobDraft, reason: string | null): void {
  cancelOpenSteps(draft, 'job_cancelled');
  endJob(draft, 'cancelled', { reason: reason ?? 'cancelled by hand' });
}

/** Ends a job whose time is over, with everything open in it; every open step must be in the draft. */
export function timeOutJob(draft: JobDraft): void {
  cancelOpenSteps(draft, 'job_timeout');
  const message = `the job did not end within its timeout of ${formatDuration(draft.job.timeout_ms)}`;
  endJob(draft, 'failed', { reason: 'job_timeout', error: { code: 'job_timeout', message } });
}

function cancelOpenSteps(draft: JobDraft, reason: string): void {
  for (const step of draft.steps.values()) {
    if (step.finished_at === null) moveStep(draft, step, 'cancelled', { reason });
  }
  // Nobody below is told: everything below is cancelled too.
  draft.unheard = [];
}

function endJob(
  draft: JobDraft,
  status: 'succeeded' | 'failed' | 'cancelled',
  changes: Partial<JobDraft['job']>,
): void {
  // What was cut short keeps the progress that it had made, and what never started has no start.
  moveJob(draft, status, {
    ...(status === 'succeeded' ? { progress: 1 } : {}),
    output_undecided: false,
    finished_at: draft.now,
    running_progress: 0,
    ...changes,
  });
}
