import { describe, expect, it } from 'vitest';
import { normaliseJob } from '../../src/domain/job-definition/normalise.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import { draftNewJob } from '../../src/domain/moves/new-job.ts';
import type { Decision } from '../../src/domain/moves/propagate.ts';
import { counters, statuses, stepOf } from './drafts.ts';

const ACTIONS = { known: new Set(['value']), builtin: new Set(['value']), checkWith: () => [] };
const YES: Decision = { ok: true, value: true };
const NO: Decision = { ok: true, value: false };
const ERROR: Decision = { ok: false, error: { code: 'expression_error', message: 'no such key' } };

function newJob(
  definition: JsonObject,
  options: { runIn?: number; decide?: (name: string) => Decision } = {},
) {
  const checked = normaliseJob({ name: 'new', ...definition }, ACTIONS);
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems));
  const { runIn = null, decide = () => YES } = options;
  return draftNewJob('id', checked.job, runIn, (step) => decide(step.name));
}

const step = (name: string, more: JsonObject = {}) => ({ name, uses: 'value', ...more });

describe('a new job', () => {
  it('has what needs nothing ready, and the rest pending', () => {
    const draft = newJob({ priority: 7, steps: [step('a'), step('b', { needs: ['a'] }), step('c')] });
    expect(statuses(draft)).toEqual(['ready', 'pending', 'ready']);
    expect(draft.job).toMatchObject({
      status: 'queued',
      steps_total: 3,
      deadline_at: 30 * 86_400_000,
      run_at: null,
    });
    expect(stepOf(draft, 1)).toMatchObject({ unmet: 1, reason: 'needs', priority: 7 });
    expect(counters(draft).counted).toEqual(counters(draft).recounted);
  });

  it('keeps everything back until its `run_at`, and counts its timeout from there', () => {
    const draft = newJob({ timeout: 60, steps: [step('a')] }, { runIn: 5_000 });
    expect(statuses(draft)).toEqual(['pending']);
    expect(draft.job).toMatchObject({ status: 'scheduled', deadline_at: 65_000, run_at: 5_000 });
    expect(newJob({ timeout: 60, steps: [step('a')] }, { runIn: -5_000 }).job).toMatchObject({
      ...{ status: 'queued', deadline_at: 60_000 },
    });
  });

  it('is held to `max_parallel` from the first moment', () => {
    const draft = newJob({ max_parallel: 2, steps: [step('a'), step('b'), step('c')] });
    expect(statuses(draft)).toEqual(['ready', 'ready', 'pending']);
  });

  it('has the conditions of its roots decided, and only those', () => {
    const asked: string[] = [];
    const decide = (name: string) => {
      asked.push(name);
      return name === 'a' ? NO : YES;
    };
    const steps = [
      step('a', { if: 'false' }),
      step('b', { if: 'true' }),
      step('c', { needs: ['a'], if: 'true' }),
    ];
    const draft = newJob({ steps }, { decide });
    expect(asked).toEqual(['a', 'b']);
    expect(statuses(draft)).toEqual(['skipped', 'ready', 'skipped']);
  });

  it('leaves the `if` of a join below a skipped root to be decided', () => {
    const draft = newJob(
      { steps: [step('a', { if: 'false' }), step('b', { needs: ['a'], if: '!failure()' })] },
      { decide: () => NO },
    );
    expect(stepOf(draft, 1)).toMatchObject({ status: 'pending', undecided: true, unmet: 0 });
  });

  it('of which nothing is left to run has succeeded, or waits for its output', () => {
    const steps = [step('a', { if: 'false' }), step('b', { needs: ['a'] })];
    expect(newJob({ steps }, { decide: () => NO }).job.status).toBe('succeeded');
    expect(newJob({ steps, output: 1 }, { decide: () => NO }).job).toMatchObject({
      status: 'queued',
      output_undecided: true,
    });
  });

  it('fails by a condition that cannot be evaluated, and fails fast if asked to', () => {
    const steps = [step('a', { if: 'input.x > 1' }), step('b'), step('c', { needs: ['a'], if: 'failure()' })];
    const slow = newJob({ steps }, { decide: () => ERROR });
    expect(statuses(slow)).toEqual(['failed', 'ready', 'pending']);
    const fast = newJob({ steps, fail_fast: true }, { decide: () => ERROR });
    expect(statuses(fast)).toEqual(['failed', 'cancelled', 'pending']);
    expect(stepOf(fast, 2)).toMatchObject({ undecided: true, failed_above: true });
    expect(newJob({ steps: steps.slice(0, 2), fail_fast: true }, { decide: () => ERROR }).job.status).toBe(
      'failed',
    );
  });
});
