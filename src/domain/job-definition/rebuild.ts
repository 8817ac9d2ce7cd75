import type { JsonObject } from '../json.ts';
import type { StepReads } from './expressions.ts';
import type { NormalJob, NormalStep } from './normalise.ts';
import type { Retry } from './retry.ts';
import type { StatedStep } from './steps.ts';
import { writeDefinition } from './write.ts';

/** What is kept of a job of what its definition said. */
export type DefinedJob = Omit<
  NormalJob,
  'delay_ms' | 'output_reads' | 'steps' | 'levels' | 'warnings' | 'definition'
>;

/** The same of a step; the steps of a job in the order of their ordinals. */
export type DefinedStep = Omit<NormalStep, keyof StepReads | 'ordinal' | 'dependents'>;

/**
 * The definition of a job, from what is kept of it: submitted again it gives the same job. What its `defaults` and its
 * `queue` were is not kept, since it made no difference: they are now what most steps have, so that the definition
 * stays short. A `delay` has become the `run_at` that it led to.
 */
export function rebuildDefinition(job: DefinedJob, steps: readonly DefinedStep[]): JsonObject {
  const queue = mostOften(steps.map((step) => step.queue));
  const timeout = mostOften(steps.map((step) => step.timeout_ms));
  const retry = JSON.parse(mostOften(steps.map((step) => JSON.stringify(retryOf(step))))) as Retry;
  return writeDefinition(
    { ...job, delay_ms: null, queue, defaults: { timeout, retry } },
    steps.map(asStated),
    steps.map((step) => step.needs),
  );
}

function asStated(step: DefinedStep): StatedStep {
  return {
    pointer: '',
    name: step.name,
    uses: step.uses,
    queue: step.queue,
    needs: [],
    enables: [],
    if: step.if,
    with: step.with,
    timeout: step.timeout_ms,
    retry: retryOf(step),
    continue_on_error: step.continue_on_error,
  };
}

function retryOf(step: DefinedStep): Retry {
  return {
    max_attempts: step.max_attempts,
    max_losses: step.max_losses,
    backoff: step.backoff,
    delay: step.retry_delay_ms,
    max_delay: step.retry_max_delay_ms,
    jitter: step.retry_jitter,
  };
}

/** The value that is there most often, of several the first; there is at least one. */
function mostOften<Value>(values: readonly Value[]): Value {
  const counts = new Map<Value, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((most, next) => (next[1] > most[1] ? next : most))[0];
}
