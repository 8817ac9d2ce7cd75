import type { JobStatus } from './job-status.ts';
import type { StepStatus } from './step-status.ts';

/** What can keep a step from running. */
export const BLOCKED_BY_CODES = [
  'needs',
  'paused',
  'run_at',
  'max_parallel',
  'retry_delay',
  'timer',
  'no_worker',
  'busy',
] as const;

export interface BlockedBy {
  code: (typeof BLOCKED_BY_CODES)[number];
  message: string;
}

/** What the answer depends on, as it was at one moment. */
export interface BlockedStep {
  status: StepStatus;
  reason: string | null;
  uses: string;
  queue: string;
  undecided: boolean;
  wake_at: Date | null;
  /** The direct needs, in the order of the definition. */
  needs: { name: string; status: StepStatus }[];
}

export interface BlockingJob {
  status: JobStatus;
  run_at: Date | null;
  max_parallel: number | null;
  steps_ready: number;
  steps_running: number;
}

/** What live workers of one kind take, with the slots of all of them; `queues` null means every queue. */
export interface Offer {
  uses: string[];
  queues: string[] | null;
  slots: number;
}

export interface Offers {
  live: Offer[];
  /** The actions that are part of Holdfast, switched on or not. */
  builtIn: readonly string[];
}

/** Whether whoever offers this takes steps of the action from the queue. */
export function serves({ uses, queues }: Offer, action: string, queue: string): boolean {
  return uses.includes(action) && (queues === null || queues.includes(queue));
}

const TERMINAL: ReadonlySet<StepStatus> = new Set(['succeeded', 'failed', 'skipped', 'cancelled']);
const NAMES_SHOWN = 5;

/** Why a step is not running: everything that holds it now, the nearest first; empty when it runs or is over. */
export function blockedBy(step: BlockedStep, job: BlockingJob, offers: Offers): BlockedBy[] {
  if (step.status === 'pending') return holdsOfPending(step, job);
  if (step.status === 'waiting') return [delayOf(step), ...jobHolds(job)];
  if (step.status === 'ready') return [workersOf(step, offers)];
  return [];
}

function holdsOfPending(step: BlockedStep, job: BlockingJob): BlockedBy[] {
  const holds = [...needsOf(step), ...jobHolds(job)];
  if (holds.length > 0) return holds;
  if (step.undecided) return [{ code: 'busy', message: 'its `if` is about to be evaluated' }];
  const taken = job.steps_ready + job.steps_running;
  if (job.max_parallel === null) return [{ code: 'busy', message: 'it is about to become ready' }];
  const message = `max_parallel of the job is ${job.max_parallel}, and ${taken} of its steps are ready or running`;
  return [{ code: 'max_parallel', message }];
}

function needsOf(step: BlockedStep): BlockedBy[] {
  const unmet = step.needs.filter((need) => !TERMINAL.has(need.status));
  if (unmet.length === 0) return [];
  const shown = unmet.slice(0, NAMES_SHOWN).map((need) => `"${need.name}" (${need.status})`);
  const rest = unmet.length > shown.length ? ` and ${unmet.length - shown.length} more` : '';
  return [{ code: 'needs', message: `waits for ${shown.join(', ')}${rest}` }];
}

function jobHolds(job: BlockingJob): BlockedBy[] {
  if (job.status === 'paused') return [{ code: 'paused', message: 'the job is paused; resume it to go on' }];
  if (job.status !== 'scheduled') return [];
  const when = job.run_at === null ? 'later' : `at ${job.run_at.toISOString()}`;
  return [{ code: 'run_at', message: `the job is to start ${when}` }];
}

function delayOf(step: BlockedStep): BlockedBy {
  const until = step.wake_at === null ? '' : ` until ${step.wake_at.toISOString()}`;
  if (step.reason === 'timer') return { code: 'timer', message: `its timer runs${until}` };
  return { code: 'retry_delay', message: `waits${until} before the next attempt` };
}

function workersOf(step: BlockedStep, { live, builtIn }: Offers): BlockedBy {
  const { uses, queue } = step;
  if (live.length === 0) return noWorker(`no live worker at all; \`${uses}\` waits for one to come`);
  const offering = live.filter((offer) => offer.uses.includes(uses));
  if (offering.length === 0 && builtIn.includes(uses)) {
    return noWorker(`the action \`${uses}\` is switched off; add it to ACTIONS and start the server again`);
  }
  if (offering.length === 0) return noWorker(`no live worker offers \`${uses}\``);
  const serving = offering.filter((offer) => serves(offer, uses, queue));
  if (serving.length === 0) {
    return noWorker(
      `no live worker takes \`${uses}\` from the queue \`${queue}\`; a server serves what QUEUES names`,
    );
  }
  const slots = serving.reduce((sum, offer) => sum + offer.slots, 0);
  return {
    code: 'busy',
    message: `waits for its turn; ${slots === 1 ? 'one slot serves' : `${slots} slots serve`} it`,
  };
}

function noWorker(message: string): BlockedBy {
  return { code: 'no_worker', message };
}
