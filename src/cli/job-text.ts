import type { Job, Step, StepDetail } from '../../client/src/index.ts';
import { type Output, paintStatus } from './output.ts';
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

/** A job with everything that people ask of it; `steps` are those that `stepsToName` gives. */
export function showJob(output: Output, job: Job, steps: Step[], now: number): string {
  const failed = steps.filter((step) => step.status === 'failed');
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
  // A job of one step that says nothing of an output means that of its step.
  const [only] = job.steps.total === 1 ? steps : [];
  const given = job.output ?? only?.output ?? null;
  if (given !== null) lines.push(['output', showValue(given)]);
  return card(output, `${output.paint('bold', plain(job.name))}  ${job.id}`, lines);
}

/** One step with what it was given, what it gave, and its attempts. */
export function showStep(output: Output, step: StepDetail): string {
  const { status, reason } = step;
  const lines: [string, string][] = [
    ['status', paintStatus(output, status) + (reason === null ? '' : ` (${plain(reason)})`)],
    ['uses', `${plain(step.uses)}, queue ${plain(step.queue)}`],
  ];
  if (step.needs.length > 0) lines.push(['needs', step.needs.join(', ')]);
  for (const { message } of step.blocked_by) lines.push(['held by', plain(message)]);
  if (status === 'running' && step.progress !== null) lines.push(['progress', showProgress(step.progress)]);
  for (const { attempt, outcome, error, started_at, finished_at } of step.attempts) {
    const known = started_at !== null && finished_at !== null;
    const took = known ? `  ${showDuration(Date.parse(finished_at) - Date.parse(started_at))}` : '';
    const why = error === null ? '' : `  ${showError(error)}`;
    lines.push([`attempt ${attempt}`, `${paintStatus(output, outcome ?? status)}${took}${why}`]);
  }
  if (step.error !== null && status !== 'running') lines.push(['error', showError(step.error)]);
  if (step.with !== null) lines.push(['with', showValue(step.with)]);
  if (step.output !== null) lines.push(['output', showValue(step.output)]);
  return card(output, output.paint('bold', step.name), lines);
}

function card(output: Output, head: string, lines: [string, string][]): string {
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
