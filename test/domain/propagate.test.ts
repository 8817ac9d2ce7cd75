import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addSteps, type JobDraft, openSteps, type StepState } from '../../src/domain/moves/draft.ts';
import { endAttempt } from '../../src/domain/moves/end-attempt.ts';
import { grantClaim, promoteHeld } from '../../src/domain/moves/hold.ts';
import { decideStep, failFast, mustFailFast, propagate } from '../../src/domain/moves/propagate.ts';
import { counters, draftOf, draftOfGraph, statuses, stepOf, stepState } from './drafts.ts';

const GRANT = { claim_id: 'c', claimed_by: 'w', ttl_ms: 1000 };

function endStep(draft: JobDraft, step: StepState, how: 'succeeded' | 'failed'): void {
  grantClaim(draft, step, GRANT);
  const error = { code: 'oops', message: 'oops' };
  endAttempt(
    draft,
    step,
    how === 'succeeded' ? { kind: how, output: null } : { kind: how, error, retryable: false },
    0,
  );
}

/** Carries on what ended, as an operation would. */
function follow(draft: JobDraft): void {
  if (mustFailFast(draft)) failFast(draft);
  expect(propagate(draft)).toEqual([]);
  promoteHeld(draft, [...draft.steps.values()]);
}

/** How a need can end, and what it means to the step below. */
const ENDS = {
  succeeded: { status: 'succeeded', continue_on_error: false, lets: null, fails: false },
  failed: { status: 'failed', continue_on_error: false, lets: 'need_failed', fails: true },
  excused: { status: 'failed', continue_on_error: true, lets: null, fails: false },
  skipped: { status: 'skipped', continue_on_error: false, lets: 'need_skipped', fails: false },
  skipped_excused: { status: 'skipped', continue_on_error: true, lets: 'need_skipped', fails: false },
  cancelled: { status: 'cancelled', continue_on_error: false, lets: 'need_skipped', fails: false },
} as const;

type End = keyof typeof ENDS;

function joinBelow(ends: readonly End[], join: Partial<StepState>): JobDraft {
  const last = ends.length;
  const needs = ends.map((end, ordinal) =>
    stepState(ordinal, {
      ...{ dependents: [last], finished_at: 1 },
      status: ENDS[end].status,
      continue_on_error: ENDS[end].continue_on_error,
    }),
  );
  const draft = draftOf([...needs, stepState(last, { unmet: last, ...join })], { status: 'running' });
  draft.unheard.push(...needs);
  expect(propagate(draft)).toEqual([]);
  return draft;
}

const names = Object.keys(ENDS) as End[];
const pairs = names.flatMap((left) => names.map((right) => [left, right] as const));

describe('a step whose needs have ended', () => {
  it('is let go without `if` when each of its needs counts as succeeded, else skipped', () => {
    for (const ends of pairs) {
      const join = stepOf(joinBelow(ends, {}), 2);
      const lets = ends.map((end) => ENDS[end].lets);
      const skips = lets.includes('need_failed')
        ? 'need_failed'
        : lets.includes('need_skipped')
          ? 'need_skipped'
          : null;
      expect([join.status, join.reason], ends.join()).toEqual(
        skips ? ['skipped', skips] : ['pending', 'held'],
      );
      expect(join.need_not_succeeded, ends.join()).toBe(skips);
    }
  });

  it('with a bare `if` is asked only when each of its needs counts as succeeded', () => {
    for (const ends of pairs) {
      const join = stepOf(joinBelow(ends, { has_if: true }), 2);
      const succeeded = ends.every((end) => ENDS[end].lets === null);
      expect([join.status, join.undecided], ends.join()).toEqual(
        succeeded ? ['pending', true] : ['skipped', false],
      );
    }
  });

  it('with a status function is asked whatever happened, and knows it', () => {
    for (const ends of pairs) {
      const join = stepOf(joinBelow(ends, { has_if: true, if_uses_status: true }), 2);
      expect([join.status, join.undecided, join.reason], ends.join()).toEqual(['pending', true, 'undecided']);
      expect(join.failed_above, ends.join()).toBe(ends.some((end) => ENDS[end].fails));
      expect(join.need_not_succeeded === null, ends.join()).toBe(
        ends.every((end) => ENDS[end].lets === null),
      );
    }
  });

  it('waits until the last of them has', () => {
    const draft = draftOfGraph([[], [], [0, 1]]);
    endStep(draft, stepOf(draft, 0), 'failed');
    follow(draft);
    expect(statuses(draft)).toEqual(['failed', 'ready', 'pending']);
    endStep(draft, stepOf(draft, 1), 'succeeded');
    follow(draft);
    expect(statuses(draft)).toEqual(['failed', 'succeeded', 'skipped']);
  });
});

describe('a decision', () => {
  const undecided = () => draftOfGraph([[], [0]], [{ has_if: true }]);

  it('that is true lets the step go', () => {
    const draft = undecided();
    decideStep(draft, stepOf(draft, 0), { ok: true, value: true });
    follow(draft);
    expect(statuses(draft)).toEqual(['ready', 'pending']);
  });

  it('that is false skips the step and what is below', () => {
    const draft = undecided();
    decideStep(draft, stepOf(draft, 0), { ok: true, value: false });
    follow(draft);
    expect([...draft.steps.values()].map((step) => step.reason)).toEqual(['condition_false', 'need_skipped']);
  });

  it('that is an error fails the step, and the job with it', () => {
    const draft = undecided();
    decideStep(draft, stepOf(draft, 0), {
      ok: false,
      error: { code: 'expression_error', message: 'no such key' },
    });
    follow(draft);
    expect(statuses(draft)).toEqual(['failed', 'skipped']);
    expect(draft.job.hard_failures).toBe(1);
    expect(draft.job.error).toMatchObject({
      code: 'step_failed',
      details: { step: 's0', code: 'expression_error' },
    });
  });

  it('that is an error leaves the job unharmed where the step continues on error', () => {
    const draft = draftOfGraph([[], [0]], [{ has_if: true, continue_on_error: true }]);
    decideStep(draft, stepOf(draft, 0), {
      ok: false,
      error: { code: 'expression_error', message: 'no such key' },
    });
    follow(draft);
    expect(statuses(draft)).toEqual(['failed', 'ready']);
    expect([draft.job.hard_failures, draft.job.error]).toEqual([0, null]);
  });
});

describe('fail-fast', () => {
  const NOTIFIER = { has_if: true, if_uses_status: true };

  it('cancels what is open at the first failure, but for steps whose `if` calls a status function', () => {
    const draft = draftOfGraph([[], [], [0, 1], [1]], [{}, {}, {}, NOTIFIER], { fail_fast: true });
    endStep(draft, stepOf(draft, 0), 'failed');
    follow(draft);
    expect(statuses(draft)).toEqual(['failed', 'cancelled', 'cancelled', 'pending']);
    expect(stepOf(draft, 3)).toMatchObject({ undecided: true, failed_above: false });
    expect(stepOf(draft, 1).reason).toBe('fail_fast');
  });

  it('is not set off by a step that continues on error', () => {
    const draft = draftOfGraph([[], []], [{ continue_on_error: true }], { fail_fast: true });
    endStep(draft, stepOf(draft, 0), 'failed');
    follow(draft);
    expect(statuses(draft)).toEqual(['failed', 'ready']);
  });

  it('lets `failure()` know of any ancestor that failed, also behind steps that it cancelled', () => {
    // A chain that was loaded in any order: 0 fails, 1 and 2 are cancelled, 3 asks.
    const graph = [[], [0], [1], [2]];
    fc.assert(
      fc.property(fc.shuffledSubarray([1, 2, 3], { minLength: 3 }), (order) => {
        const whole = draftOfGraph(graph, [{}, {}, {}, NOTIFIER], { fail_fast: true });
        const draft = draftOf([stepOf(whole, 0), ...order.map((ordinal) => stepOf(whole, ordinal))], {
          fail_fast: true,
        });
        endStep(draft, stepOf(draft, 0), 'failed');
        follow(draft);
        expect(statuses(draft)).toEqual(['failed', 'cancelled', 'cancelled', 'pending']);
        expect(stepOf(draft, 3)).toMatchObject({ undecided: true, failed_above: true });
      }),
    );
  });

  it('lets `failure()` know of an ancestor that fails after what is between them was cancelled', () => {
    // 1 is spared at the failure of 0 and fails later; 2, between it and the notifier 3, was cancelled before.
    const graph = [[], [], [1], [2, 4], []];
    const draft = draftOfGraph(graph, [{}, NOTIFIER, {}, NOTIFIER, NOTIFIER], { fail_fast: true });
    for (const ordinal of [1, 4]) decideStep(draft, stepOf(draft, ordinal), { ok: true, value: true });
    follow(draft);
    endStep(draft, stepOf(draft, 0), 'failed');
    follow(draft);
    expect(statuses(draft)).toEqual(['failed', 'ready', 'cancelled', 'pending', 'ready']);
    expect(stepOf(draft, 3).failed_above).toBe(false);
    endStep(draft, stepOf(draft, 1), 'failed');
    follow(draft);
    endStep(draft, stepOf(draft, 4), 'succeeded');
    follow(draft);
    expect(stepOf(draft, 3)).toMatchObject({ undecided: true, failed_above: true });
  });
});

/** A graph whose steps need earlier ones, and how each step ends if it runs. */
const story = fc.integer({ min: 1, max: 14 }).chain((size) =>
  fc.record({
    needs: fc.tuple(
      ...Array.from({ length: size }, (_, step) =>
        fc.subarray([...Array(step).keys()], { maxLength: Math.min(step, 3) }),
      ),
    ),
    fates: fc.array(fc.constantFrom('succeeded', 'failed', 'excused'), { minLength: size, maxLength: size }),
    picks: fc.infiniteStream(fc.nat()),
  }),
);

/** The end of each step, worked out from above. */
function endsOf(needs: number[][], fates: string[]): string[] {
  const ends: string[] = [];
  for (const [step, above] of needs.entries()) {
    const runs = above.every(
      (need) => ends[need] === 'succeeded' || (ends[need] === 'failed' && fates[need] === 'excused'),
    );
    ends.push(runs ? (fates[step] === 'succeeded' ? 'succeeded' : 'failed') : 'skipped');
  }
  return ends;
}

describe('any graph', () => {
  it('ends the same way in whatever order its steps end, with true counters all along', () => {
    fc.assert(
      fc.property(story, ({ needs, fates, picks }) => {
        const draft = draftOfGraph(
          needs,
          fates.map((fate) => ({ continue_on_error: fate === 'excused' })),
        );
        while (openSteps(draft.job) > 0) {
          const ready = [...draft.steps.values()].filter((step) => step.status === 'ready');
          const step = ready[(picks.next().value as number) % ready.length] as StepState;
          endStep(draft, step, fates[step.ordinal] === 'succeeded' ? 'succeeded' : 'failed');
          follow(draft);
          const { counted, recounted } = counters(draft);
          expect(counted).toEqual(recounted);
        }
        expect(statuses(draft)).toEqual(endsOf(needs, fates));
        expect(draft.job.hard_failures).toBe(
          statuses(draft).filter((status, step) => status === 'failed' && fates[step] !== 'excused').length,
        );
      }),
    );
  });

  it('ends the same way when only what a change reaches is loaded, as it is asked for', () => {
    fc.assert(
      fc.property(story, ({ needs, fates }) => {
        const stored = draftOfGraph(
          needs,
          fates.map((fate) => ({ continue_on_error: fate === 'excused' })),
        );
        for (let step = firstReady(stored); step; step = firstReady(stored)) {
          const draft = { ...stored, steps: new Map([[step.ordinal, step]]), unheard: [], promoted: [] };
          endStep(draft, step, fates[step.ordinal] === 'succeeded' ? 'succeeded' : 'failed');
          for (let missing = propagate(draft); missing.length > 0; missing = propagate(draft)) {
            addSteps(
              draft,
              missing.map((ordinal) => stepOf(stored, ordinal)),
            );
          }
          promoteHeld(draft, [...draft.steps.values()]);
        }
        expect(statuses(stored)).toEqual(endsOf(needs, fates));
      }),
    );
  });
});

function firstReady(draft: JobDraft): StepState | undefined {
  return [...draft.steps.values()].find((step) => step.status === 'ready');
}
