import type { JobStatus } from '../job-status.ts';
import { changeJob, type JobDraft, moveJob } from './draft.ts';
import { hold } from './hold.ts';

/** Pauses a job: what is ready is held again, what runs may finish. Its ready steps must be in the draft. */
export function pauseJobDraft(draft: JobDraft): void {
  moveJob(draft, 'paused', { reason: 'paused by hand' });
  for (const step of draft.steps.values()) {
    if (step.status === 'ready') hold(draft, step, { turn: null, ready_at: null });
  }
}

/** Resumes a paused job to where its `run_at` and its first start put it. Promotes nothing by itself. */
export function resumeJobDraft(draft: JobDraft): void {
  const { job, now } = draft;
  moveJob(draft, restingStatus(job.run_at, job.started_at, now));
  // The output of a job that ended while it was paused is still to be evaluated.
  if (job.output_undecided) changeJob(draft, { reason: 'output_undecided' });
}

/** The status of a job that is neither paused nor over. */
export function restingStatus(runAt: number | null, startedAt: number | null, now: number): JobStatus {
  if (startedAt !== null) return 'running';
  return runAt !== null && runAt > now ? 'scheduled' : 'queued';
}
