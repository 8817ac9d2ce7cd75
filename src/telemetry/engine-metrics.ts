import { Counter, Histogram, type Registry } from 'prom-client';
import { isTerminalJob } from '../domain/job-status.ts';
import type { EndedAttempt, JobDraft, StepState } from '../domain/moves/draft.ts';
import { isTerminalStep } from '../domain/step-status.ts';
import { gaugeOf } from './gauge.ts';
import { capValues } from './label-values.ts';
import { spreadOne, tallyOne, tallyTwo } from './tallies.ts';

/** What the scheduler tells of its work as it does it. */
export interface EngineMeter {
  /** One claim statement took so many steps, for this server's pool and all waiting claim requests together. */
  claimBatch(steps: number): void;
  /** One transaction wrote so many outcomes. */
  settleBatch(outcomes: number): void;
  /** So many writes of workers were refused because their claim had ended: outcomes, extends, lines of a log. */
  staleWrites(count: number): void;
  /** A claim request was answered, with steps or without, after so many milliseconds. */
  claimWait(ms: number): void;
}

export interface EngineMetrics {
  /** Counts what committed drafts changed: for `store.observe`. */
  observe(drafts: readonly JobDraft[]): void;
  engine: EngineMeter;
  /** From now on `count` says how many claim requests wait. */
  watchClaimWaits(count: () => number): void;
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];
const JOB_SECONDS = [0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400];
const SIZES = [0, 1, 2, 5, 10, 20, 50, 100, 250, 500, 1000];
const WAIT_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 20, 30, 60];

/** What this server's engine does, since it started. */
export function createEngineMetrics(registry: Registry): EngineMetrics {
  const tallies = createTallies(registry);
  return {
    observe(drafts) {
      for (const draft of drafts) {
        countJob(tallies, draft);
        countEndedAttempts(tallies, draft);
        countSteps(tallies, draft);
      }
    },
    ...createMeter(registry),
  };
}

type Tallies = ReturnType<typeof createTallies>;

function createTallies(registry: Registry) {
  const counter = (name: string, help: string, labelName: string) =>
    tallyOne(registry, { name: `holdfast_${name}`, help }, labelName);
  const counter2 = (name: string, help: string, labelNames: [string, string]) =>
    tallyTwo(registry, { name: `holdfast_${name}`, help }, labelNames);
  const histogram = (name: string, help: string, labelName: string, bounds: readonly number[]) =>
    spreadOne(registry, { name: `holdfast_${name}`, help }, labelName, bounds);
  return {
    // An own cap for each label: what is full of one kind of name leaves room for the other.
    uses: capValues(),
    queue: capValues(),
    submitted: plainCounter(registry, 'jobs_submitted_total', 'Jobs stored.'),
    retried: plainCounter(registry, 'jobs_retried_total', 'Jobs opened again by hand.'),
    jobsEnded: counter('jobs_ended_total', 'Jobs that became terminal.', 'status'),
    jobDuration: histogram(
      'job_duration_seconds',
      'From the start of the first step to the end of the job.',
      'status',
      JOB_SECONDS,
    ),
    started: counter2('steps_started_total', 'Attempts started.', ['uses', 'queue']),
    stepsEnded: counter2('steps_ended_total', 'Steps that became terminal.', ['uses', 'status']),
    attemptsEnded: counter2('attempts_ended_total', 'Attempts that ended; lost ones were rescued.', [
      'uses',
      'outcome',
    ]),
    stepRetries: counter(
      'step_retries_total',
      'Failed attempts after which the step waits for another.',
      'uses',
    ),
    wait: histogram('step_wait_seconds', 'From ready to started.', 'uses', SECONDS),
    duration: histogram(
      'step_duration_seconds',
      'From the start of an attempt to its end, when it ended by itself or by its timeout.',
      'uses',
      SECONDS,
    ),
  };
}

function plainCounter(registry: Registry, name: string, help: string): Counter {
  return new Counter({ name: `holdfast_${name}`, help, registers: [registry] });
}

function countJob(tallies: Tallies, { job, jobBefore, now }: JobDraft): void {
  if (jobBefore.version === 0) tallies.submitted.inc();
  if (isTerminalJob(jobBefore.status)) {
    if (!isTerminalJob(job.status)) tallies.retried.inc();
    return;
  }
  if (!isTerminalJob(job.status)) return;
  tallies.jobsEnded(1, job.status);
  if (job.started_at !== null)
    tallies.jobDuration(seconds(job.started_at, job.finished_at ?? now), job.status);
}

/** Attempts that left their step open. */
function countEndedAttempts(tallies: Tallies, draft: JobDraft): void {
  for (const ended of draft.ended) {
    const before = draft.before.get(ended.ordinal);
    // What a retry by hand copies into history ended long ago, and was counted then.
    if (before === undefined || isTerminalStep(before.status)) continue;
    const uses = tallies.uses(before.uses);
    countAttempt(tallies, uses, ended.outcome, ended.started_at, ended.finished_at);
    if (ended.outcome === 'failed' || ended.outcome === 'timed_out') tallies.stepRetries(1, uses);
  }
}

function countSteps(tallies: Tallies, draft: JobDraft): void {
  for (const [ordinal, before] of draft.before) {
    const step = draft.steps.get(ordinal);
    if (step === undefined) continue;
    const isStarted = step.attempt > before.attempt;
    const isOver = isTerminalStep(step.status) && !isTerminalStep(before.status);
    // A name that only waits takes no place among the few that are told apart.
    if (!isStarted && !isOver) continue;
    const uses = tallies.uses(step.uses);
    if (isStarted) {
      tallies.started(step.attempt - before.attempt, uses, tallies.queue(step.queue));
      tallies.wait(seconds(step.ready_at, step.started_at), uses);
    }
    if (!isOver) continue;
    tallies.stepsEnded(1, uses, step.status);
    if (isInAttempt(before)) countAttempt(tallies, uses, outcomeOf(step), step.started_at, step.finished_at);
  }
}

/** Whether an attempt of it was under way: also one that is parked until a timer. */
function isInAttempt({ status, reason }: StepState): boolean {
  return status === 'running' || (status === 'waiting' && reason === 'timer');
}

/** How the attempt ended that settled its step. */
function outcomeOf({ status, reason }: StepState): EndedAttempt['outcome'] {
  if (status === 'succeeded' || status === 'cancelled') return status;
  if (reason === 'timed_out') return 'timed_out';
  return reason === 'claim_lost_limit' ? 'lost' : 'failed';
}

function countAttempt(
  tallies: Tallies,
  uses: string,
  outcome: EndedAttempt['outcome'],
  startedAt: number | null,
  finishedAt: number | null,
): void {
  tallies.attemptsEnded(1, uses, outcome);
  // Cut short from outside, it says nothing of how long the action takes.
  if (outcome === 'released' || outcome === 'cancelled' || outcome === 'lost') return;
  tallies.duration(seconds(startedAt, finishedAt), uses);
}

/** Seconds between two instants; none for what has no instant, so that a count never throws after a commit. */
function seconds(from: number | null, to: number | null): number {
  return from === null || to === null ? 0 : Math.max(0, to - from) / 1000;
}

function createMeter(registry: Registry): Pick<EngineMetrics, 'engine' | 'watchClaimWaits'> {
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `holdfast_${name}`, help, buckets, registers: [registry] });
  const claimSize = histogram('claim_batch_steps', 'Steps that one claim statement took.', SIZES);
  const settleSize = histogram('settle_batch_outcomes', 'Outcomes that one transaction wrote.', SIZES);
  const claimWait = histogram(
    'claim_request_wait_seconds',
    'How long a claim request waited for its answer.',
    WAIT_SECONDS,
  );
  const stale = plainCounter(registry, 'stale_writes_total', 'Writes refused because their claim had ended.');
  let count = () => 0;
  const waiting = gaugeOf(registry, {
    name: 'claim_requests_waiting',
    help: 'Claim requests that wait for a step to become ready.',
    collect: () => waiting.set(count()),
  });
  return {
    engine: {
      claimBatch: (steps) => claimSize.observe(steps),
      settleBatch: (outcomes) => settleSize.observe(outcomes),
      staleWrites: (refused) => stale.inc(refused),
      claimWait: (ms) => claimWait.observe(ms / 1000),
    },
    watchClaimWaits(read) {
      count = read;
    },
  };
}
