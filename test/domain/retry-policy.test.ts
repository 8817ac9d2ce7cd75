import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BACKOFFS, lossDelay, type RetryPolicy, retryDelay } from '../../src/domain/retry-policy.ts';

function policy(over: Partial<RetryPolicy> = {}): RetryPolicy {
  return {
    backoff: 'exponential',
    retry_delay_ms: 1000,
    retry_max_delay_ms: 300_000,
    retry_jitter: false,
    ...over,
  };
}

describe('retryDelay', () => {
  it.each([
    ['exponential', [1000, 2000, 4000, 8000, 16_000]],
    ['linear', [1000, 2000, 3000, 4000, 5000]],
    ['fixed', [1000, 1000, 1000, 1000, 1000]],
  ] as const)('spaces %s retries', (backoff, delays) => {
    expect([1, 2, 3, 4, 5].map((failures) => retryDelay(policy({ backoff }), failures, 0.5))).toEqual(delays);
  });

  it('never waits longer than max_delay', () => {
    const capped = policy({ retry_max_delay_ms: 5000 });
    expect(retryDelay(capped, 3, 0)).toBe(4000);
    expect(retryDelay(capped, 4, 0)).toBe(5000);
    expect(retryDelay(policy({ retry_max_delay_ms: 0, retry_jitter: true }), 4, 0.9)).toBe(0);
  });

  it('draws the jitter from the upper half of the delay', () => {
    const jitter = policy({ retry_jitter: true });
    expect(retryDelay(jitter, 2, 0)).toBe(1000);
    expect(retryDelay(jitter, 2, 0.5)).toBe(1500);
    expect(retryDelay(jitter, 2, 0.9999)).toBe(2000);
  });

  it('gives whole milliseconds between half the delay and max_delay, up to the last attempt allowed', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...BACKOFFS),
        fc.integer({ min: 0, max: 2_592_000_000 }),
        fc.integer({ min: 0, max: 2_592_000_000 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 100 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (backoff, delay, max, retry_jitter, failures, random) => {
          const given = policy({ backoff, retry_delay_ms: delay, retry_max_delay_ms: max, retry_jitter });
          const ms = retryDelay(given, failures, random);
          expect(Number.isSafeInteger(ms)).toBe(true);
          expect(ms).toBeLessThanOrEqual(max);
          expect(ms).toBeGreaterThanOrEqual(Math.floor(Math.min(delay, max) / 2));
        },
      ),
    );
  });
});

describe('lossDelay', () => {
  it('gives a step back at once after its first loss', () => {
    expect(lossDelay(0, 0.9)).toBe(0);
    expect(lossDelay(1, 0.9)).toBe(0);
  });

  it('doubles from the second loss on, up to a minute, with jitter', () => {
    expect([2, 3, 4, 5, 6, 60].map((losses) => lossDelay(losses, 0))).toEqual([
      2000, 4000, 8000, 16_000, 30_000, 30_000,
    ]);
    expect([2, 3, 6].map((losses) => lossDelay(losses, 0.5))).toEqual([3000, 6000, 45_000]);
    expect(lossDelay(100, 0.999_999)).toBe(60_000);
  });
});
