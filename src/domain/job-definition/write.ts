import { formatDuration } from '../duration.ts';
import type { JsonObject } from '../json.ts';
import type { JobHead } from './head.ts';
import { inheritRetry, writeRetry, writeRetryDifference } from './retry.ts';
import type { StatedStep } from './steps.ts';

/**
 * The normalised definition, which normalises to itself: `steps` written out, `enables` turned into `needs`, durations
 * in one spelling. Every default is stated, so that the defaults of a later version change nothing; for steps they are
 * stated once, in `defaults` and `queue`, and a step says only what differs: a tenth of the bytes of a large job.
 */
export function writeDefinition(
  head: JobHead,
  steps: readonly StatedStep[],
  needs: readonly (readonly number[])[],
): JsonObject {
  return {
    name: head.name,
    ...(head.input === null ? {} : { input: head.input }),
    ...(Object.keys(head.labels).length === 0 ? {} : { labels: head.labels }),
    queue: head.queue,
    priority: head.priority,
    ...(head.run_at === null ? {} : { run_at: head.run_at.toISOString() }),
    ...(head.delay_ms === null ? {} : { delay: formatDuration(head.delay_ms) }),
    timeout: formatDuration(head.timeout_ms),
    ...(head.max_parallel === null ? {} : { max_parallel: head.max_parallel }),
    fail_fast: head.fail_fast,
    defaults: {
      timeout: formatDuration(head.defaults.timeout),
      retry: writeRetry(head.defaults.retry),
    },
    steps: steps.map((step, ordinal) => {
      const above = needs[ordinal] as readonly number[];
      return writeStep(
        step,
        above.map((need) => nameOf(steps[need] as StatedStep)),
        head,
      );
    }),
    ...(head.output === null ? {} : { output: head.output }),
  };
}

function writeStep(step: StatedStep, needs: string[], head: JobHead): JsonObject {
  const written: JsonObject = { name: nameOf(step) };
  if (needs.length > 0) written.needs = needs;
  if (step.if !== null) written.if = step.if;
  written.uses = step.uses as string;
  if (step.with !== null) written.with = step.with;
  if ((step.queue ?? head.queue) !== head.queue) written.queue = step.queue as string;
  if ((step.timeout ?? head.defaults.timeout) !== head.defaults.timeout) {
    written.timeout = formatDuration(step.timeout as number);
  }
  const base = head.defaults.retry;
  const retry = writeRetryDifference(inheritRetry(step.retry, base), base);
  if (retry !== null) written.retry = retry;
  if (step.continue_on_error) written.continue_on_error = true;
  return written;
}

/** Every step that gets this far has a name. */
function nameOf(step: StatedStep): string {
  return step.name as string;
}
