import { expect, it } from 'vitest';
import { normaliseInTurns, normaliseJob } from '../../src/domain/job-definition/normalise.ts';
import type { Json } from '../../src/domain/json.ts';
import { LIMITS } from '../../src/domain/limits.ts';

const actions = { known: new Set(['value']), builtin: new Set(['value']), checkWith: () => [] };
const steps = (count: number, with_: (index: number) => Json): Json[] =>
  Array.from({ length: count }, (_, index) => ({ name: `s${index}`, uses: 'value', with: with_(index) }));
const codes = (body: Json) => {
  const result = normaliseJob(body, actions);
  return result.ok ? [] : result.problems.map(({ pointer, code }) => `${pointer} ${code}`);
};
const expressions = (count: number) => Array.from({ length: count }, () => '${{ 1 }}');

it('takes as many expressions in one value as may be, and refuses one more by name', () => {
  const most = LIMITS.expressionsPerValue;
  expect(codes({ name: 'x', uses: 'value', with: expressions(most) })).toEqual([]);
  expect(codes({ name: 'x', uses: 'value', with: expressions(most + 1) })).toEqual([
    '/with too_many_expressions',
  ]);
  expect(codes({ name: 'x', uses: 'value', with: '${{1}}'.repeat(most + 1) })).toEqual([
    '/with too_many_expressions',
  ]);
  expect(codes({ name: 'x', uses: 'value', output: expressions(most + 1) })).toEqual([
    '/output too_many_expressions',
  ]);
});

it('counts their characters too, in one value and in all of a job', () => {
  const long = `\${{ ${' '.repeat(3000)}"${'a'.repeat(3500)}" }}`;
  expect(codes({ name: 'x', uses: 'value', with: Array(9).fill(long) })).toEqual([]);
  expect(codes({ name: 'x', uses: 'value', with: Array(10).fill(long) })).toEqual([
    '/with too_many_expressions',
  ]);
  const full = Array(9).fill(long) as Json;
  expect(codes({ name: 'x', steps: steps(66, () => full) })).toEqual([]);
  expect(codes({ name: 'x', steps: steps(67, () => full) })).toEqual(['/steps too_many_expressions']);
});

it('refuses a job of too many expressions before it has looked at them all', () => {
  const full = expressions(LIMITS.expressionsPerValue);
  const some = LIMITS.expressionsPerJob / LIMITS.expressionsPerValue;
  expect(codes({ name: 'x', steps: steps(some, () => full) })).toEqual([]);
  expect(codes({ name: 'x', steps: steps(some + 50, () => full) })).toEqual(['/steps too_many_expressions']);
});

it('gives way between the steps of a job, and comes to the same', async () => {
  const body: Json = { name: 'x', steps: steps(50, (index) => `\${{ ${index} }}`) };
  let turns = 0;
  const result = await normaliseInTurns(body, actions, async () => {
    turns++;
  });
  expect(result).toEqual(normaliseJob(body, actions));
  expect(turns).toBeGreaterThan(100);
});
