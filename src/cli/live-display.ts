import { createLogUpdate } from 'log-update';
import { type Client, isTerminal, type Job, type ListStepsQuery, type Step } from '../../client/src/index.ts';
import type { Display } from './display.ts';
import { showCounts, showJob } from './job-text.ts';
import { type Output, paintStatus } from './output.ts';
import { shorten } from './table.ts';
import { showNote } from './tables.ts';
import { count, plain, showDuration, showProgress, showRemaining } from './wording.ts';

const REDRAW_MS = 250;
const STEPS_SHOWN = 8;
const BAR_WIDTH = 30;

interface Seen {
  job: Job;
  /** The steps that run, as many as are shown; when none runs, some of those that wait for something. */
  steps: Step[];
  /** By the clock of this process. */
  at: number;
}

/** The job on a terminal, drawn again in place: bar, counts, the steps that run, elapsed and remaining. */
export function createLiveDisplay(output: Output): Display {
  const draw = createLogUpdate(process.stdout);
  let seen: Seen | null = null;
  let silent = false;
  const redraw = () => {
    if (seen !== null) draw(frame(output, seen, silent));
  };
  // Elapsed and remaining go on while nothing changes.
  const timer = setInterval(redraw, REDRAW_MS);
  return {
    includeSteps: false,
    show: async (job, client, signal) => {
      seen = { job, steps: await stepsToShow(client, job, signal), at: performance.now() };
      redraw();
    },
    silence: (now) => {
      silent = now;
      redraw();
    },
    end: async (job, client) => {
      clearInterval(timer);
      if (job === null) return draw.done();
      draw.clear();
      draw.done();
      output.print(showJob(output, job, await stepsToName(client, job), Date.now()));
    },
  };
}

/** The steps of which a summary of the job says something: the only one, or what failed. */
export async function stepsToName(client: Client, { id, steps }: Job): Promise<Step[]> {
  if (steps.total === 1) return (await client.steps(id)).data;
  return steps.failed === 0 ? [] : (await client.steps(id, { status: ['failed'], limit: 10 })).data;
}

async function stepsToShow(client: Client, { id, steps, status }: Job, signal: AbortSignal): Promise<Step[]> {
  if (isTerminal(status)) return [];
  const query: Partial<ListStepsQuery> =
    steps.running > 0
      ? { status: ['running'], limit: STEPS_SHOWN }
      : { status: ['ready', 'waiting', 'pending'], limit: 3 };
  return (await client.steps(id, query, { signal })).data;
}

function frame(output: Output, { job, steps, at }: Seen, silent: boolean): string {
  const since = job.finished_at === null ? performance.now() - at : 0;
  const elapsed = job.elapsed_ms === null ? 'not started' : showDuration(job.elapsed_ms + since);
  const rest = job.finished_at === null ? job.estimated_remaining_ms : null;
  const remaining = rest === null ? '' : `, ${showRemaining(rest - since)} to go`;
  const reason = job.reason === null ? '' : ` (${plain(job.reason)})`;
  const more = job.steps.running - steps.length;
  const lines = [
    `${output.paint('bold', plain(job.name))}  ${job.id}`,
    `${bar(output, job)} ${showProgress(job.progress)}  ${paintStatus(output, job.status)}${reason}  ${elapsed}${remaining}`,
    `${count(job.steps.total, 'step')}: ${showCounts(output, job)}`,
    ...steps.map((step) => stepLine(output, step, serverTime(job) + since)),
    ...(more > 0 && job.steps.running > 0 ? [`  and ${more} more`] : []),
    ...(silent ? [output.paint('yellow', 'the server does not answer; trying again')] : []),
  ];
  return lines.join('\n');
}

function bar(output: Output, { progress, status }: Job): string {
  const done = Math.floor(progress * BAR_WIDTH + 1e-9);
  const style = status === 'failed' ? 'red' : status === 'cancelled' ? 'yellow' : 'green';
  return output.paint(style, '█'.repeat(done)) + output.paint('dim', '░'.repeat(BAR_WIDTH - done));
}

/** The time by the server's clock when it gave the job: that of this machine may be another. */
function serverTime({ started_at, elapsed_ms }: Job): number {
  return started_at === null ? Date.now() : Date.parse(started_at) + (elapsed_ms ?? 0);
}

/** One step of a job on its way. `now`: by the server's clock, in milliseconds. */
export function stepLine(output: Output, step: Step, now: number): string {
  const { name, status, started_at } = step;
  const attempt = step.attempt > 1 ? `attempt ${step.attempt}` : '';
  const took =
    status === 'running' && started_at !== null
      ? showDuration(Math.max(0, now - Date.parse(started_at)))
      : '';
  const about = [took, attempt, showNote(step)].filter((part) => part !== '').join(', ');
  const head = `  ${name}`;
  const room = Math.max(10, output.columns() - head.length - 14);
  return `${head}  ${paintStatus(output, status)}  ${shorten(about, room)}`;
}
