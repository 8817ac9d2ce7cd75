import type { Job, Step, WorkerEntry } from '../../client/src/index.ts';
import { type Output, paintStatus } from './output.ts';
import { layOut } from './table.ts';
import { count, plain, showAge, showDuration, showProgress, showRemaining } from './wording.ts';

const COUNTED = [
  'running',
  'ready',
  'waiting',
  'pending',
  'succeeded',
  'failed',
  'skipped',
  'cancelled',
] as const;
const FAILED_SHOWN = 10;
const OUTPUT_SHOWN = 2000;

/** How many steps are where, without those of which there are none: `2 running, 26 succeeded`. */
export function showCounts(output: Output, { steps }: Job): string {
  const there = COUNTED.filter((status) => steps[status] > 0);
  return there.map((status) => `${steps[status]} ${paintStatus(output, status)}`).join(', ');
}

/** A job with everything that people ask of it; `failed` are its failed steps. */
export function showJob(output: Output, job: Job, failed: Step[], now: number): string {
  const { status, reason, labels } = job;
  const lines: [string, string][] = [
    ['status', paintStatus(output, status) + (reason === null ? '' : ` (${plain(reason)})`)],
    [
      'progress',
      `${showProgress(job.progress)} of ${count(job.steps.total, 'step')}: ${showCounts(output, job)}`,
    ],
    ['submitted', `${showAge(job.created_at, now)}, ${job.created_at}`],
  ];
  if (status === 'scheduled' && job.run_at !== null)
    lines.push(['starts', `${showAge(job.run_at, now)}, ${job.run_at}`]);
  if (job.elapsed_ms !== null) {
    const rest = job.finished_at === null ? job.estimated_remaining_ms : null;
    const more = rest === null ? '' : `, ${showRemaining(rest)} to go`;
    lines.push([job.finished_at === null ? 'for' : 'took', `${showDuration(job.elapsed_ms)}${more}`]);
  }
  const pairs = Object.entries(labels).map(([key, value]) => plain(`${key}:${value}`));
  if (pairs.length > 0) lines.push(['labels', pairs.join(', ')]);
  if (job.error !== null) lines.push(['error', showError(job.error)]);
  for (const step of failed.slice(0, FAILED_SHOWN))
    lines.push(['failed', `${step.name}: ${step.error === null ? '' : showError(step.error)}`]);
  const unsaid = job.steps.failed - Math.min(failed.length, FAILED_SHOWN);
  if (failed.length > 0 && unsaid > 0)
    lines.push(['', `and ${unsaid} more: holdfast steps ${job.id} --status failed`]);
  if (job.output !== null) lines.push(['output', showValue(job.output)]);
  const head = `${output.paint('bold', plain(job.name))}  ${job.id}`;
  const indented = (text: string) => text.replaceAll('\n', `\n${' '.repeat(13)}`);
  const body = lines.map(([name, text]) => `  ${output.paint('dim', name.padEnd(9))}  ${indented(text)}`);
  return [head, ...body].join('\n');
}

/** A value as JSON on one line, or as it is when it is text; long ones are cut. */
export function showValue(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const shown = text.length > OUTPUT_SHOWN ? `${text.slice(0, OUTPUT_SHOWN)}… (all of it with --json)` : text;
  return shown.split('\n').map(plain).join('\n');
}

export function showError({ code, message }: { code: string; message: string }): string {
  return `${plain(message)} (${plain(code)})`;
}

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
