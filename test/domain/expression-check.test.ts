import { describe, expect, it } from 'vitest';
import { checkCondition, checkTemplate } from '../../src/domain/expression/check.ts';
import type { Json } from '../../src/domain/json.ts';
import { LIMITS } from '../../src/domain/limits.ts';

const known = {
  all: new Set(['build', 'build-image', 'test', 'self']),
  ancestors: new Set(['build', 'build-image']),
};

function problemsOf(expression: string) {
  return checkTemplate(`\${{ ${expression} }}`, '/with/a', known).problems;
}

describe('checkTemplate', () => {
  it.each([
    ['input.n + 1'],
    ['steps.build.output.rows[0].id'],
    ["steps['build-image'].status == 'succeeded'"],
    ['steps.?build.output.?rows.orValue([])'],
    ["steps[?'build'].output"],
    ["steps.build['output']"],
    ["has(steps['build-image'].output.rows)"],
    ["has(steps['build-image'].output.?rows.x)"],
    ['needs.map(n, n.output)'],
    ['job.id'],
    ['job'],
    ['{"a": {"b": 1}}'],
    ['cel.bind(x, input.a, x + x)'],
    ['input.a.map(x, input.b.map(y, y))'],
    ['-input.n'],
    ['!has(input.n)'],
    ['"secrets.x steps.nope.output"'],
    ['input.secrets'],
    ['input[steps.build.output]'],
  ])('accepts %s', (expression) => {
    expect(problemsOf(expression)).toEqual([]);
  });

  it.each([
    ['secrets.token', '`secrets` is a reserved name'],
    ['env.HOME', '`env` is a reserved name'],
    ['item', '`item` is a reserved name'],
    ['matrix.os', '`matrix` is a reserved name'],
    ['vars.x', '`vars` is a reserved name'],
    ['inputs.x', 'Unknown variable: inputs; expressions can use job, input, steps, needs'],
    ['input.list.map(item, 1)', '`item` cannot be the name of a variable'],
    ['cel.bind(steps, 1, 2)', '`steps` cannot be the name of a variable'],
    ['input.s.matches("a+")', '`matches` is not available'],
    ['matches(input.s, "a+")', '`matches` is not available'],
    ['[1].map(x, [2].all(y, [3].exists(z, true)))', '`exists` is nested too deep'],
    ['cancelled()', 'there is no `cancelled()`'],
    ['success()', 'can only be called in an `if`'],
    ['input.n > 0 ? failure() : always()', 'can only be called in an `if`'],
    ['steps', '`steps` may only be followed by the name of a step'],
    ['size(steps)', '`steps` may only be followed by the name of a step'],
    ['steps[input.name].output', '`steps` may only be followed by the name of a step'],
    ['steps[input.name]', '`steps` may only be followed by the name of a step'],
    ['steps.build', 'say `steps.build.output` or `steps.build.status`'],
    ["steps['build-image']", "say `steps['build-image'].output` or `steps['build-image'].status`"],
    ['steps.build.result', '`steps.build` has `.output` and `.status` and nothing else'],
    ['steps.build[input.x]', '`steps.build` has `.output` and `.status` and nothing else'],
    ['steps.build - 1', 'say `steps.build.output` or `steps.build.status`'],
    ['steps.build-image.output', "write `steps['build-image']`"],
    ['steps.a-b-c.output.x', "write `steps['a-b-c']`"],
    ['steps.build-in.output', "write `steps['build-in']`"],
    ['steps.2nd.output', "write `steps['2nd']`"],
    ['steps.true.output', "write `steps['true']`"],
    ['job.name', 'of the job only `job.id` can be read'],
    ['input..x', 'Expected IDENTIFIER'],
    ['nope(1)', "no matching overload for 'nope(int)'"],
    ['nope(1, 2)', "no matching overload for 'nope(int, int)'"],
    ['input.n > 1 ? "a" : 2', 'wrap one in dyn()'],
    ['', 'there is nothing in it'],
  ])('refuses %s', (expression, detail) => {
    const problems = problemsOf(expression);
    expect(problems[0]).toMatchObject({ pointer: '/with/a', code: 'expression_invalid' });
    expect(problems[0]?.detail).toContain(detail);
  });

  it('names the step that was probably meant', () => {
    expect(problemsOf('steps.bild.output')).toEqual([
      {
        pointer: '/with/a',
        code: 'unknown_step',
        detail: '`steps.bild.output`: there is no step `bild`; did you mean `build`?',
      },
    ]);
  });

  it('suggests nothing where nothing is near, where there are no steps, and among thousands', () => {
    const thousands = new Set(Array.from({ length: 1001 }, (_, i) => `build${i}`));
    for (const all of [known.all, new Set<string>(), thousands]) {
      const { problems } = checkTemplate('${{ steps.zzzzzzzz.output }}', '', { all, ancestors: all });
      expect(problems[0]?.detail).toBe('`steps.zzzzzzzz.output`: there is no step `zzzzzzzz`');
    }
  });

  it('asks for `needs` on a step that is not above', () => {
    expect(problemsOf('steps.test.output')).toMatchObject([
      { code: 'not_an_ancestor', detail: expect.stringContaining('add it to `needs`') },
    ]);
  });

  it('refuses an expression of more bytes or more parts than allowed', () => {
    const long = `"${'é'.repeat(LIMITS.expressionBytes / 2)}"`;
    const deep = `${'('.repeat(200)}1${')'.repeat(200)}`;
    const parts = `1${'+1'.repeat(1000)}`;
    for (const expression of [long, deep, parts, `${'!'.repeat(LIMITS.expressionBytes - 8)}true`]) {
      expect(problemsOf(expression)).toMatchObject([{ code: 'expression_too_large' }]);
    }
    expect(problemsOf(`"${'e'.repeat(LIMITS.expressionBytes - 2)}"`)).toEqual([]);
  });

  it('points at the string by RFC 6901', () => {
    const template: Json = { 'a/b~c': [1, 'plain', { deep: 'x ${{ nope }} y' }], fine: null };
    expect(checkTemplate(template, '/steps/0/with', known).problems).toMatchObject([
      { pointer: '/steps/0/with/a~1b~0c/2/deep' },
    ]);
  });

  it('says which steps are read, and whether `needs` is', () => {
    const template = {
      a: ['${{ steps.build.output }} ${{ steps["build-image"].status }}'],
      b: '${{ needs }}',
    };
    expect(checkTemplate(template, '', known).reads).toEqual({
      steps: ['build', 'build-image'],
      needs: true,
    });
    expect(checkTemplate('${{ input }}', '', known).reads).toEqual({ steps: [], needs: false });
  });

  it('gives null reads only for a template that rendering would not change', () => {
    const template = { '${{ key }}': 'x', n: [1, null, true, { s: '$ {{ x }}' }] };
    expect(checkTemplate(template, '', known)).toMatchObject({ problems: [], reads: null });
    expect(checkTemplate('$${{ x }}', '', known)).toMatchObject({
      problems: [],
      reads: { steps: [], needs: false },
    });
  });

  it('reports an expression that is not closed', () => {
    for (const text of ['${{ input.n', '${{ "abc }}', "${{ '''a }}", '${{ {"a": 1 }}']) {
      const { problems } = checkTemplate(text, '/x', known);
      expect(problems).toMatchObject([{ pointer: '/x', code: 'expression_invalid' }]);
      expect(problems[0]?.detail).toContain('not closed');
    }
  });

  it('stops at as many problems as an answer holds', () => {
    const template = Array.from({ length: 300 }, () => '${{ a }} ${{ b }} ${{ c }}');
    expect(checkTemplate(template, '', known).problems).toHaveLength(LIMITS.errorsPerProblem);
  });
});

describe('checkCondition', () => {
  it.each([
    ['input.n > 3', [], false],
    ['${{ input.n > 3 }}', [], false],
    ['  ${{ steps.build.output.ok }}  ', ['build'], false],
    ['always() && steps.build.status == "failed"', ['build'], true],
    ['!failure()', [], true],
    ['success() || input.force', [], true],
    ['input.text == "${{"', [], false],
  ])('accepts %s', (source, steps, usesStatusFunction) => {
    const reads = { steps, needs: false };
    expect(checkCondition(source, '/if', known)).toEqual({ problems: [], reads, usesStatusFunction });
  });

  it.each([
    ['${{ input.a }} && ${{ input.b }}', 'an `if` is one expression'],
    ['${{ input.a', 'an `if` is one expression'],
    ['${{ input.a }} x', 'an `if` is one expression'],
    ['size(input.list)', 'of type int; compare it with something'],
    ['"true"', 'of type string'],
    ['cancelled()', 'there is no `cancelled()`'],
    ['success(1)', 'no matching overload'],
    ['', 'there is nothing in it'],
  ])('refuses %s', (source, detail) => {
    const { problems } = checkCondition(source, '/steps/1/if', known);
    expect(problems).toMatchObject([{ pointer: '/steps/1/if', code: 'expression_invalid' }]);
    expect(problems[0]?.detail).toContain(detail);
  });

  it('checks its steps as a template does', () => {
    expect(checkCondition('steps.test.status == "x"', '/if', known).problems).toMatchObject([
      { code: 'not_an_ancestor' },
    ]);
  });
});
