import type { Job, Step, WorkerEntry } from '../../client/src/index.ts';
import { showError } from './job-text.ts';
import { type Output, paintStatus } from './output.ts';
import { layOut } from './table.ts';
import { plain, showAge, showDuration, showProgress } from './wording.ts';

/** Jobs as a table. */
export function showJobs(output: Output, jobs: Job[], now: number): string {
  const rows = jobs.map((job) => [
    job.id,
    paintStatus(output, job.status),
    showProgress(job.progress).padStart(5),
    job.elapsed_ms === null ? '-' : showDuration(job.elapsed_ms),
    showAge(job.created_at, now),
    plain(job.name),
  ]);
  return layOut(['ID', 'STATUS', ' DONE', 'TOOK', 'SUBMITTED', 'NAME'], rows, output.columns());
}

/** Steps as a table; what holds a step, or what went wrong with it, comes last. */
export function showSteps(output: Output, steps: Step[], now: number): string {
  const rows = steps.map((step) => [
    step.name,
    paintStatus(output, step.status),
    plain(step.uses),
    step.max_attempts > 1
      ? `${step.attempt} (${step.failures}/${step.max_attempts} failed)`
      : String(step.attempt),
    showTook(step, now),
    showNote(step),
  ]);
  return layOut(['STEP', 'STATUS', 'USES', 'ATTEMPT', 'TOOK', 'NOTE'], rows, output.columns());
}

function showTook({ started_at, finished_at, status }: Step, now: number): string {
  if (started_at === null || (finished_at === null && status !== 'running')) return '-';
  return showDuration(
    Math.max(0, (finished_at === null ? now : Date.parse(finished_at)) - Date.parse(started_at)),
  );
}

/** The one thing that is worth saying about a step. */
export function showNote(step: Step): string {
  if (step.error !== null) return showError(step.error);
  const [held] = step.blocked_by;
  if (held !== undefined) return plain(held.message);
  if (step.status === 'running' && step.progress !== null) return showProgress(step.progress);
  return plain(step.reason ?? '');
}

/** Workers as a table. */
export function showWorkers(output: Output, workers: WorkerEntry[], now: number): string {
  const rows = workers.map((worker) => [
    worker.id,
    plain(worker.name),
    worker.kind,
    paintStatus(output, worker.status),
    `${worker.running}/${worker.slots}`,
    showAge(worker.last_seen_at, now),
    worker.queues === null ? 'every' : worker.queues.map(plain).join(','),
    worker.uses.map(plain).join(','),
  ]);
  const headings = ['ID', 'NAME', 'KIND', 'STATUS', 'BUSY', 'SEEN', 'QUEUES', 'USES'];
  return layOut(headings, rows, output.columns());
}
