import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type NormalJob, normaliseJob } from '../../src/domain/job-definition/normalise.ts';
import { rebuildDefinition } from '../../src/domain/job-definition/rebuild.ts';
import type { Json, JsonObject } from '../../src/domain/json.ts';
import { actions, definition } from './random-definitions.ts';

function normal(body: Json): NormalJob {
  const result = normaliseJob(body, actions);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.job;
}

const rebuilt = (body: Json): JsonObject => {
  const job = normal(body);
  return rebuildDefinition(job, job.steps);
};

describe('rebuildDefinition', () => {
  it('gives, for any job, a definition that makes the same job, and that is rebuilt to itself', () => {
    let made = 0;
    fc.assert(
      fc.property(definition, (body) => {
        const first = normaliseJob(body, actions);
        if (!first.ok) return;
        made++;
        const text = JSON.stringify(rebuildDefinition(first.job, first.job.steps));
        const { definition: _, warnings: __, delay_ms, ...job } = first.job;
        const again = normal(JSON.parse(text) as Json);
        expect(JSON.parse(JSON.stringify(again))).toMatchObject(JSON.parse(JSON.stringify(job)));
        expect(again.delay_ms).toBeNull();
        expect(JSON.stringify(rebuildDefinition(again, again.steps))).toBe(text);
      }),
      { numRuns: 300 },
    );
    expect(made).toBeGreaterThan(50);
  });

  it('gives what the submit normalised, where most steps follow the defaults', () => {
    const body = {
      name: 'report',
      input: { day: 1 },
      labels: { team: 'data' },
      run_at: '2030-01-01T00:00:00.000Z',
      queue: 'slow',
      max_parallel: 3,
      defaults: { timeout: '5m', retry: { max_attempts: 3, delay: '2s' } },
      steps: [
        { name: 'a', uses: 'value', with: [1] },
        { name: 'b', uses: 'value', needs: ['a'], if: 'failure()', queue: 'fast', timeout: '1s' },
        { name: 'c', uses: 'value', needs: ['b', 'a'], retry: { jitter: false }, continue_on_error: true },
        { name: 'd', uses: 'value', enables: ['c'] },
      ],
      output: '${{ steps.a.output }}',
    };
    expect(rebuilt(body)).toEqual(normal(body).definition);
  });

  it('takes for defaults what most steps have, and of several the first', () => {
    const step = (name: string, queue: string, timeout: string) => ({ name, uses: 'value', queue, timeout });
    const many = [step('a', 'x', '1s'), step('b', 'y', '2s'), step('c', 'y', '1s'), step('d', 'x', '2s')];
    expect(rebuilt({ name: 'j', steps: [...many, step('e', 'y', '2s')] })).toMatchObject({
      queue: 'y',
      defaults: { timeout: '2s' },
      steps: [{ name: 'a', queue: 'x', timeout: '1s' }, { name: 'b' }, { timeout: '1s' }, { queue: 'x' }, {}],
    });
    expect(rebuilt({ name: 'j', steps: many })).toMatchObject({ queue: 'x', defaults: { timeout: '1s' } });
  });
});
