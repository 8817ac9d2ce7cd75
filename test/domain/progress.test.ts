import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { elapsedMs, estimatedRemainingMs, jobProgress } from '../../src/domain/progress.ts';
import { STEP_STATUSES } from '../../src/domain/step-status.ts';

type Counters = Parameters<typeof jobProgress>[0];

const counters = (fields: Partial<Counters> = {}): Counters => {
  const none = Object.fromEntries(
    STEP_STATUSES.map((status) => [`steps_${status}`, 0]),
  ) as unknown as Counters;
  return { ...none, steps_total: 4, progress: 0, running_progress: 0, ...fields };
};

describe('progress', () => {
  test('counts every terminal step, however it ended, and what running ones report', () => {
    const ended = {
      steps_succeeded: 1,
      steps_failed: 1,
      steps_skipped: 1,
      steps_cancelled: 1,
      steps_total: 8,
    };
    expect(jobProgress(counters(ended))).toBe(0.5);
    expect(jobProgress(counters({ ...ended, steps_running: 2, running_progress: 1 }))).toBe(0.625);
  });

  test('is a fraction that never falls, whatever is reported', () => {
    const count = fc.nat({ max: 50 });
    const job = fc.record({
      ...{ steps_succeeded: count, steps_failed: count, steps_skipped: count, steps_cancelled: count },
      ...{ steps_running: count, steps_pending: count },
      progress: fc.double({ min: 0, max: 1, noNaN: true }),
      running_progress: fc.double({ min: 0, max: 1000, noNaN: true }),
    });
    fc.assert(
      fc.property(job, (fields) => {
        const { progress: _progress, running_progress: _running, ...counts } = fields;
        const steps_total = Math.max(
          1,
          Object.values(counts).reduce((sum, n) => sum + n, 0),
        );
        const shown = jobProgress(counters({ ...fields, steps_total }));
        expect(shown).toBeGreaterThanOrEqual(fields.progress);
        expect(shown).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('counts no more than one for each running step', () => {
    expect(jobProgress(counters({ steps_running: 1, running_progress: 3 }))).toBe(0.25);
  });
});

describe('the time that a job takes', () => {
  const start = new Date(1_000);
  const now = new Date(61_000);

  test('runs from its start and is frozen at its end', () => {
    expect(elapsedMs(null, null, now)).toBeNull();
    expect(elapsedMs(start, null, now)).toBe(60_000);
    expect(elapsedMs(start, new Date(11_000), now)).toBe(10_000);
    expect(elapsedMs(now, null, start)).toBe(0);
  });

  test('that remains is reckoned at the pace so far', () => {
    expect(estimatedRemainingMs('running', 10_000, 0.25)).toBe(30_000);
    expect(estimatedRemainingMs('running', 10_000, 1)).toBe(0);
  });

  test('that remains is nothing once it succeeded, and unknown without a start, without progress, and unless it runs', () => {
    expect(estimatedRemainingMs('succeeded', null, 0)).toBe(0);
    expect(estimatedRemainingMs('running', 10_000, 0)).toBeNull();
    expect(estimatedRemainingMs('running', null, 0.5)).toBeNull();
    for (const status of ['paused', 'failed', 'cancelled', 'queued', 'scheduled']) {
      expect(estimatedRemainingMs(status, 10_000, 0.5)).toBeNull();
    }
  });
});
