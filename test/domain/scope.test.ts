import { expect, it } from 'vitest';
import { AppError, BrokenRule } from '../../src/domain/errors.ts';
import { scopeOf } from '../../src/domain/scope.ts';

const read = [
  { ordinal: 0, name: 'a', status: 'succeeded', output: { n: 1 } },
  { ordinal: 1, name: 'b', status: 'failed', output: null },
];

it('shows an expression the steps that it reads, and the needs among them in the order given', () => {
  expect(scopeOf('j1', { x: 2 }, read, [1, 0])).toEqual({
    job: { id: 'j1' },
    input: { x: 2 },
    steps: { a: { status: 'succeeded', output: { n: 1 } }, b: { status: 'failed', output: null } },
    needs: [
      { name: 'b', status: 'failed', output: null },
      { name: 'a', status: 'succeeded', output: { n: 1 } },
    ],
  });
});

it('leaves out needs that the expression does not read', () => {
  expect(scopeOf('j1', null, [], [0, 1])).toMatchObject({ steps: {}, needs: [] });
});

it('ends a request with a code, a detail and what is wrong where, and knows a bug of ours by its name', () => {
  const problem = { pointer: '/a', code: 'invalid_value', detail: 'no' };
  expect(new AppError('invalid_body', 'the body is wrong', [problem])).toMatchObject({
    name: 'AppError',
    code: 'invalid_body',
    message: 'the body is wrong',
    errors: [problem],
  });
  expect(new AppError('job_not_found', 'no such job').errors).toEqual([]);
  expect(new BrokenRule('two claims').name).toBe('BrokenRule');
});
