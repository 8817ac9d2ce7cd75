import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JobDraft, JobState, StepState } from '../../src/domain/moves/draft.ts';
import { reopenJob } from '../../src/domain/moves/reopen-job.ts';
import { isTerminalStep } from '../../src/domain/step-status.ts';
import { counters, draftOf, NOW, statuses, stepOf, stepState } from './drafts.ts';

const HARD = { code: 'oops', message: 'it went wrong' };

/** A job that ended, its steps as given. */
function ended(
  needs: readonly number[][],
  steps: Partial<StepState>[],
  job: Partial<JobState> = {},
): JobDraft {
  const states = needs.map((_, ordinal) => {
    const dependents = needs.flatMap((above, index) => (above.includes(ordinal) ? [index] : []));
    return stepState(ordinal, { finished_at: 1, reason: null, ...steps[ordinal], dependents });
  });
  return draftOf(states, {
    status: 'failed',
    finished_at: 1,
    started_at: 1,
    error: HARD,
    hard_failures: 1,
    progress: 1,
    ...job,
  });
}

function reopened(
  needs: readonly number[][],
  steps: Partial<StepState>[],
  job: Partial<JobState> = {},
): JobDraft {
  const draft = ended(needs, steps, job);
  // Steps that need nothing may be absent from the map.
  const listed = [...needs.entries()].filter(([, above]) => above.length > 0);
  reopenJob(draft, new Map(listed.map(([ordinal, above]) => [ordinal, [...above]])));
  return draft;
}

const failed = { status: 'failed', error: HARD, attempt: 2, failures: 2, losses: 1, releases: 3 } as const;
const succeeded = { status: 'succeeded', attempt: 1 } as const;

describe('a retry by hand', () => {
  it('opens what failed, was cancelled or skipped, with everything below; the rest stays done', () => {
    const steps = [
      succeeded,
      failed,
      { status: 'skipped' },
      succeeded,
      { status: 'cancelled' },
      succeeded,
    ] as const;
    const draft = reopened([[], [], [1], [1], [0], [0]], [...steps]);
    expect(statuses(draft)).toEqual(['succeeded', 'pending', 'pending', 'pending', 'pending', 'succeeded']);
    expect([...draft.steps.values()].map((step) => step.unmet)).toEqual([0, 0, 1, 1, 0, 0]);
    expect(draft.job.hard_failures).toBe(0);
  });

  it('leaves alone a step that failed and was to be continued after', () => {
    const draft = reopened([[], [0], []], [{ ...failed, continue_on_error: true }, succeeded, failed]);
    expect(statuses(draft)).toEqual(['failed', 'succeeded', 'pending']);
  });

  it('decides anew what is below: a notifier asks again', () => {
    const notifier = { ...succeeded, has_if: true, if_uses_status: true, failed_above: true };
    const draft = reopened(
      [[], [0], []],
      [failed, { ...notifier, need_not_succeeded: 'need_failed' }, notifier],
    );
    expect(stepOf(draft, 1)).toMatchObject({
      status: 'pending',
      failed_above: false,
      need_not_succeeded: null,
      unmet: 1,
    });
    expect(stepOf(draft, 2).status).toBe('succeeded');
  });

  it('asks the `if` of a skipped step again when all its needs stay', () => {
    const draft = reopened(
      [[], [0]],
      [succeeded, { status: 'skipped', has_if: true, reason: 'condition_false' }],
    );
    expect(stepOf(draft, 1)).toMatchObject({ status: 'pending', undecided: true, reason: 'undecided' });
  });

  it('gives the budgets and the deadline anew, and goes on numbering attempts', () => {
    const draft = reopened([[]], [failed], { timeout_ms: 500, retry_round: 1 });
    expect(stepOf(draft, 0)).toMatchObject({
      attempt: 2,
      failures: 0,
      losses: 0,
      releases: 0,
      error: null,
      output: null,
    });
    expect(draft.job).toMatchObject({
      status: 'queued',
      retry_round: 2,
      deadline_at: NOW + 500,
      error: null,
      output: null,
    });
    expect(draft.job).toMatchObject({ finished_at: null, started_at: null, reason: null, progress: 0 });
  });

  it('waits again for a `run_at` that is still to come, and counts the deadline from there', () => {
    const draft = reopened([[]], [failed], { run_at: NOW + 70, timeout_ms: 500, status: 'cancelled' });
    expect(draft.job).toMatchObject({ status: 'scheduled', deadline_at: NOW + 570 });
  });

  it('keeps the instants of the last attempt of each step that it opens', () => {
    const draft = reopened([[]], [{ ...failed, started_at: NOW - 900, finished_at: NOW - 800 }]);
    expect(draft.ended).toMatchObject([{ started_at: NOW - 900, finished_at: NOW - 800 }]);
  });

  it('keeps the last attempt of each step that it opens, under what became of it', () => {
    const outcomeOf = (step: Partial<StepState>) => reopened([[], [0]], [failed, step]).ended.at(1)?.outcome;
    expect(outcomeOf(succeeded)).toBe('succeeded');
    expect(outcomeOf({ status: 'cancelled', attempt: 1 })).toBe('cancelled');
    expect(outcomeOf(failed)).toBe('failed');
    expect(outcomeOf({ ...failed, reason: 'timed_out' })).toBe('timed_out');
    expect(outcomeOf({ ...failed, reason: 'claim_lost_limit' })).toBe('lost');
    expect(outcomeOf({ ...failed, error: { code: 'timed_out', message: '' } })).toBe('failed');
    expect(outcomeOf({ status: 'failed', attempt: 0 })).toBeUndefined();
    expect(outcomeOf({ status: 'skipped', attempt: 1 })).toBeUndefined();
  });

  it('of a job that ended with all its steps done opens none of them', () => {
    const draft = reopened([[], [0]], [succeeded, succeeded], { hard_failures: 0 });
    expect(statuses(draft)).toEqual(['succeeded', 'succeeded']);
    expect(draft.job).toMatchObject({ status: 'queued', progress: 1, output_undecided: false });
  });

  it('opens exactly the hard failures, the cancelled, the skipped and all below, in any graph', () => {
    const graph = fc.integer({ min: 1, max: 12 }).chain((size) =>
      fc.tuple(
        fc.tuple(
          ...Array.from({ length: size }, (_, i) =>
            fc.subarray([...Array(i).keys()], { maxLength: Math.min(i, 3) }),
          ),
        ),
        fc.array(fc.constantFrom('succeeded', 'failed', 'skipped', 'cancelled', 'excused'), {
          minLength: size,
          maxLength: size,
        }),
      ),
    );
    fc.assert(
      fc.property(graph, ([needs, ends]) => {
        const steps = ends.map((end) => ({
          status: end === 'excused' ? ('failed' as const) : end,
          continue_on_error: end === 'excused',
        }));
        const draft = reopened(needs, steps);
        const opens: boolean[] = [];
        for (const [step, above] of needs.entries()) {
          opens[step] =
            !['succeeded', 'excused'].includes(ends[step] as string) || above.some((need) => opens[need]);
        }
        expect([...draft.steps.values()].map((step) => !isTerminalStep(step.status))).toEqual(opens);
        for (const step of draft.steps.values()) {
          const open = (needs[step.ordinal] as number[]).filter((need) => opens[need]).length;
          if (opens[step.ordinal]) expect(step.unmet).toBe(open);
        }
        expect(counters(draft).counted).toEqual(counters(draft).recounted);
      }),
    );
  });
});
