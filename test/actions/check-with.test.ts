import { describe, expect, it } from 'vitest';
import type { Action } from '../../src/actions/action.ts';
import { ALL_ACTIONS, createCatalogue } from '../../src/actions/catalogue.ts';
import { checkRendered, checkWith, holdsExpression } from '../../src/actions/check-with.ts';
import { createOutbound } from '../../src/outbound/outbound.ts';

const outbound = createOutbound({ allow: [], userAgent: 'holdfast/test' });
const catalogue = createCatalogue({ actions: ALL_ACTIONS, shellEnv: [], environment: process.env, outbound });

function action(name: string): Action {
  const found = catalogue.get(name);
  if (found === undefined) throw new Error(`${name} is not on`);
  return found;
}

const shell = action('shell');
const wait = action('wait');
const expression = '$' + '{{ input.x }}';

describe('the catalogue', () => {
  it('holds what is on, and nothing else', () => {
    expect([...catalogue.keys()]).toEqual(ALL_ACTIONS);
    const some = createCatalogue({ actions: ['wait'], shellEnv: [], environment: {}, outbound });
    expect([...some.keys()]).toEqual(['wait']);
  });

  it('refuses a name that is no built-in action', () => {
    const options = { actions: ['shel'], shellEnv: [], environment: {}, outbound };
    expect(() => createCatalogue(options)).toThrow('there is no built-in action "shel"');
  });

  it('describes every action and every field for the documentation', () => {
    for (const { uses, summary, with: schema } of catalogue.values()) {
      expect(summary, uses).toMatch(/\.$/);
      const { properties = {} } = schema as { properties?: Record<string, { description?: string }> };
      for (const [name, field] of Object.entries(properties)) expect(field.description, name).toBeTruthy();
      JSON.stringify(schema);
    }
  });
});

describe('at submit', () => {
  it('passes what is right', () => {
    expect(checkWith(shell, { run: 'echo "$A" ${B}', env: { A: 1 }, cwd: '/tmp' }, '/with')).toEqual([]);
    expect(checkWith(wait, { for: '1h30m' }, '/with')).toEqual([]);
    expect(checkWith(wait, { for: 30 }, '/with')).toEqual([]);
    expect(checkWith(wait, { until: '2026-11-21T02:00:00+01:00' }, '/with')).toEqual([]);
    for (const any of [null, 1, 'x', [1], { a: { b: expression } }]) {
      expect(checkWith(action('value'), any, '/with')).toEqual([]);
    }
  });

  it('lets an expression stand for any value', () => {
    expect(checkWith(shell, { run: 'x', env: expression, cwd: expression }, '')).toEqual([]);
    expect(checkWith(shell, { run: 'x', env: { A: `a ${expression}` } }, '')).toEqual([]);
    expect(checkWith(wait, { for: expression }, '')).toEqual([]);
    expect(checkWith(wait, { until: `${expression}T00:00:00Z` }, '')).toEqual([]);
    expect(checkWith(wait, expression, '')).toEqual([]);
  });

  it('takes an escaped expression for plain text', () => {
    expect(holdsExpression(expression)).toBe(true);
    expect(holdsExpression(`$${expression}`)).toBe(false);
    expect(holdsExpression(`$${expression} ${expression}`)).toBe(true);
    expect(checkWith(wait, { for: `$${expression}` }, '')).toMatchObject([{ code: 'invalid_duration' }]);
    expect(checkWith(shell, { run: `echo '$${expression}'` }, '')).toEqual([]);
  });

  it('refuses unknown fields and names the one that was meant', () => {
    expect(checkWith(shell, { run: 'x', envs: {}, 'a/b': 1 }, '/steps/0/with')).toEqual([
      {
        pointer: '/steps/0/with/envs',
        code: 'unknown_field',
        detail: '`envs` is not a field of `shell`; did you mean `env`?',
      },
      {
        pointer: '/steps/0/with/a~1b',
        code: 'unknown_field',
        detail: '`a/b` is not a field of `shell`; it takes `run`, `env`, `cwd`',
      },
    ]);
  });

  it('refuses unknown fields however many there are', () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 1]));
    for (const count of [7, 8, 9, 50]) {
      expect(checkWith(shell, { run: 'x', ...many(count) }, '')).toHaveLength(count);
      expect(checkRendered(wait, { for: '1s', ...many(count) })).toMatchObject({
        error: { code: 'with_invalid' },
      });
    }
    expect(checkWith(shell, { run: 'x', ...many(20_000) }, '')).toHaveLength(100);
    // An error is stored with the attempt: it does not repeat all of a large `with`.
    const told = checkRendered(wait, { for: '1s', ...many(20_000) }) as { error: { message: string } };
    expect(told.error.message).toMatch(/; and 9\d more$/);
    expect(told.error.message.length).toBeLessThan(2000);
  });

  it('refuses missing fields and wrong types', () => {
    expect(checkWith(shell, {}, '/with')).toMatchObject([{ pointer: '/with', code: 'missing_field' }]);
    expect(checkWith(shell, { run: 3 }, '/with')).toMatchObject([
      { pointer: '/with/run', code: 'invalid_value', detail: expect.stringMatching(/^`run` must be string/) },
    ]);
    expect(checkWith(shell, null, '/with')).toMatchObject([{ pointer: '/with', code: 'invalid_value' }]);
    expect(checkWith(shell, { run: 'x', env: 'A=1' }, '/with')).toMatchObject([{ pointer: '/with/env' }]);
    expect(checkWith(wait, { for: {} }, '')).toMatchObject([{ pointer: '/for', code: 'invalid_value' }]);
  });

  it('shows the `env` form where a script holds an expression', () => {
    const [problem, ...others] = checkWith(shell, { run: `echo ${expression}` }, '/with');
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ pointer: '/with/run', code: 'expression_in_run' });
    expect(problem?.detail).toContain('"env": {"NAME": "$' + '{{ … }}"}');
    expect(checkWith(shell, expression, '/with')).toMatchObject([
      { pointer: '/with', code: 'expression_in_run' },
    ]);
  });

  it('refuses variables whose names no shell can read, or that are ours', () => {
    const env = { 'A-B': 1, '1A': 1, '': 1, HOLDFAST_STEP: 'x', OK_1: 1 };
    const problems = checkWith(shell, { run: 'x', env }, '/with');
    expect(problems.map(({ pointer, code }) => [pointer, code])).toEqual([
      ['/with/env/A-B', 'invalid_name'],
      ['/with/env/1A', 'invalid_name'],
      ['/with/env/', 'invalid_name'],
      ['/with/env/HOLDFAST_STEP', 'reserved_name'],
    ]);
  });

  it('refuses a script that no process can take', () => {
    expect(checkWith(shell, { run: 'x'.repeat(131_072) }, '')).toMatchObject([{ code: 'too_large' }]);
    expect(checkWith(shell, { run: 'x'.repeat(131_071) }, '')).toEqual([]);
  });

  it('refuses waits that are none, two, too long or unreadable', () => {
    const one = [{ pointer: '/with', code: 'invalid_value', detail: 'give exactly one of `for`, `until`' }];
    expect(checkWith(wait, {}, '/with')).toEqual(one);
    expect(checkWith(wait, { for: '1s', until: '2026-11-21T02:00:00Z' }, '/with')).toEqual(one);
    for (const bad of ['soon', '', '0s', '31d', 0, -5]) {
      expect(checkWith(wait, { for: bad }, ''), String(bad)).toMatchObject([
        { pointer: '/for', code: 'invalid_duration' },
      ]);
    }
    for (const bad of [
      'tomorrow',
      '2026-11-21',
      '2026-11-21T02:00:00',
      '2026-02-30T00:00:00Z',
      '2026-11-21T24:00:00Z',
    ]) {
      expect(checkWith(wait, { until: bad }, ''), bad).toMatchObject([
        { pointer: '/until', code: 'invalid_timestamp' },
      ]);
    }
  });
});

describe('after rendering', () => {
  it('passes what is right', () => {
    expect(checkRendered(shell, { run: 'echo', env: { A: [1] } })).toBeNull();
    expect(checkRendered(wait, { for: 30 })).toBeNull();
    expect(checkRendered(action('value'), null)).toBeNull();
  });

  it('fails what is not, for good and with every reason', () => {
    expect(checkRendered(shell, { run: 'x', env: 'A=1', dir: '/' })).toMatchObject({
      kind: 'failed',
      error: {
        code: 'with_invalid',
        message: expect.stringMatching(/`dir` is not a field.*; `env` must be object/),
      },
      retryable: false,
    });
    expect(checkRendered(wait, { for: 1.5 })).toMatchObject({ error: { code: 'with_invalid' } });
    expect(checkRendered(wait, 'x')).toMatchObject({ error: { code: 'with_invalid' } });
  });
});
