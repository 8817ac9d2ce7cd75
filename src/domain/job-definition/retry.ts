import { type DurationBounds, formatDuration } from '../duration.ts';
import type { Json, JsonObject } from '../json.ts';
import { DEFAULTS, LIMITS } from '../limits.ts';
import { BACKOFFS, type Backoff } from '../retry-policy.ts';
import {
  describeValue,
  fieldOf,
  readDuration,
  readFlag,
  readInteger,
  readSection,
  refuse,
  type Section,
} from './read.ts';

/** What `retry` says; delays in milliseconds. */
export interface Retry {
  max_attempts: number;
  max_losses: number;
  backoff: Backoff;
  delay: number;
  max_delay: number;
  jitter: boolean;
}

/** What one `retry` of a definition states; the rest is inherited. */
export type StatedRetry = { [Field in keyof Retry]: Retry[Field] | undefined };

export const BUILT_IN_RETRY: Retry = {
  max_attempts: DEFAULTS.maxAttempts,
  max_losses: DEFAULTS.maxLosses,
  backoff: DEFAULTS.backoff,
  delay: DEFAULTS.retryDelay,
  max_delay: DEFAULTS.retryMaxDelay,
  jitter: DEFAULTS.retryJitter,
};

// To retry at once is a reasonable wish, so zero is admitted here.
const DELAY: DurationBounds = { min: 0, max: LIMITS.delay };

/** Reads the `retry` of a step or of `defaults`. */
export function readRetry(section: Section): StatedRetry {
  const retry = readSection(section, 'retry', 'retry');
  const stated = {
    max_attempts: readInteger(retry, 'max_attempts', 1, LIMITS.maxAttempts),
    max_losses: readInteger(retry, 'max_losses', 0, LIMITS.maxLosses),
    backoff: readBackoff(retry),
    delay: readDuration(retry, 'delay', DELAY),
    max_delay: readDuration(retry, 'max_delay', DELAY),
    jitter: readFlag(retry, 'jitter'),
  };
  const { delay, max_delay } = stated;
  if (delay !== undefined && max_delay !== undefined && delay > max_delay) {
    refuse(retry, 'max_delay', `\`max_delay\` must not be shorter than \`delay\`, ${formatDuration(delay)}`);
  }
  return stated;
}

function readBackoff(retry: Section): Backoff | undefined {
  const value = fieldOf(retry, 'backoff');
  const backoff = BACKOFFS.find((known) => known === value);
  if (value === undefined || backoff !== undefined) return backoff;
  const wanted = '`backoff` must be "exponential", "fixed" or "linear"';
  return refuse(retry, 'backoff', `${wanted}; ${describeValue(value)}`);
}

/** What holds for a step. Where only one of `delay` and `max_delay` is stated, the inherited one makes room for it. */
export function inheritRetry(stated: StatedRetry, base: Retry): Retry {
  return {
    max_attempts: stated.max_attempts ?? base.max_attempts,
    max_losses: stated.max_losses ?? base.max_losses,
    backoff: stated.backoff ?? base.backoff,
    delay: stated.delay ?? Math.min(base.delay, stated.max_delay ?? base.delay),
    max_delay: stated.max_delay ?? Math.max(base.max_delay, stated.delay ?? 0),
    jitter: stated.jitter ?? base.jitter,
  };
}

/** `retry` as a definition writes it. */
export function writeRetry(retry: Retry): JsonObject {
  return { ...retry, delay: formatDuration(retry.delay), max_delay: formatDuration(retry.max_delay) };
}

/** The part of `retry` that differs from `base`, as a definition writes it; null when nothing does. */
export function writeRetryDifference(retry: Retry, base: Retry): JsonObject | null {
  const all = writeRetry(retry);
  const differing = (Object.keys(base) as (keyof Retry)[]).filter((key) => retry[key] !== base[key]);
  if (differing.length === 0) return null;
  return Object.fromEntries(differing.map((key) => [key, all[key] as Json]));
}
