/** How long a step waits before it runs again, after a failure and after a lost claim. */

export const BACKOFFS = ['exponential', 'fixed', 'linear'] as const;
export type Backoff = (typeof BACKOFFS)[number];

/** The part of a step that says how its retries are spaced. A step row has these fields. */
export interface RetryPolicy {
  backoff: Backoff;
  retry_delay_ms: number;
  retry_max_delay_ms: number;
  retry_jitter: boolean;
}

const LOSS_UNIT = 1000;
const LOSS_CAP = 60_000;

/**
 * Milliseconds from a failure to the next attempt; `failures` counts the one that just happened, `random` is in
 * [0, 1). The spacing is `delay`, `delay × failures` or `delay × 2^(failures − 1)`, never more than `max_delay`.
 */
export function retryDelay(policy: RetryPolicy, failures: number, random: number): number {
  const delay = policy.retry_delay_ms * growth(policy.backoff, failures);
  const capped = Math.min(delay, policy.retry_max_delay_ms);
  return policy.retry_jitter ? jittered(capped, random) : capped;
}

/**
 * Milliseconds that a step waits after its claim was lost for the `losses`th time in a row: none after the first,
 * then 1 s × 2^losses up to a minute, so that a step that kills its worker is soon alone.
 */
export function lossDelay(losses: number, random: number): number {
  if (losses < 2) return 0;
  return jittered(Math.min(LOSS_UNIT * 2 ** losses, LOSS_CAP), random);
}

function growth(backoff: Backoff, failures: number): number {
  if (backoff === 'fixed') return 1;
  return backoff === 'linear' ? failures : 2 ** (failures - 1);
}

// Equal jitter, the upper half only: it spreads a herd, and yet nobody who asked for 10 s is retried at once.
function jittered(ms: number, random: number): number {
  return Math.round(ms / 2 + (ms / 2) * random);
}
