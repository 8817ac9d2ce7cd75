import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ConditionScope,
  evaluateCondition,
  renderTemplate,
} from '../../src/domain/expression/evaluate.ts';
import type { Json } from '../../src/domain/json.ts';
import { LIMITS } from '../../src/domain/limits.ts';

const input: Json = {
  n: 5,
  half: 2.5,
  s: 'abc',
  nothing: null,
  list: [1, 2, 'x'],
  rows: [
    { id: 1, ok: true },
    { id: 2, ok: false },
    { id: 3, ok: true },
  ],
  nested: [[1], ['a'], [{ b: [null] }]],
  driver: { constructor: { name: 'Ferrari' }, toString: 'own', year: 2026 },
  odd: JSON.parse('{"__proto__": {"x": 1}, "a": 2}') as Json,
  time: '2026-11-21T10:00:00Z',
  json: '{"a": [1]}',
};

const scope: ConditionScope = {
  job: { id: 'j1' },
  input,
  steps: {
    build: { output: { rows: [1, 2] }, status: 'succeeded' },
    'build-image': { output: { tag: 'v1' }, status: 'succeeded' },
    broken: { output: null, status: 'failed' },
    constructor: { output: 7, status: 'succeeded' },
  },
  needs: [
    { name: 'a', status: 'succeeded', output: { v: 1 } },
    { name: 'b', status: 'succeeded', output: { v: 2 } },
  ],
  success: true,
  failure: false,
};

function value(expression: string, over: ConditionScope = scope): Json {
  const result = renderTemplate(`\${{ ${expression} }}`, over);
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

function message(expression: string, over: ConditionScope = scope): string {
  const result = renderTemplate(`\${{ ${expression} }}`, over);
  if (result.ok) throw new Error(`gave ${JSON.stringify(result.value)}`);
  expect(result.error.code).toBe('expression_error');
  return result.error.message;
}

describe('an expression', () => {
  it.each<[string, Json]>([
    ['input.n + 1', 6],
    ['1 + input.n', 6],
    ['input.n - 1', 4],
    ['10 - input.n', 5],
    ['input.n * 2', 10],
    ['input.n / 2', 2.5],
    ['5 / 2', 2],
    ['input.n % 2', 1],
    ['7 % input.n', 2],
    ['input.n % input.half', 0],
    ['-input.n', -5],
    ['input.n == 5', true],
    ['5 == input.n', true],
    ['input.n != 5', false],
    ['5 == 5.0', true],
    ['input.n == "5"', false],
    ['input.nothing == null', true],
    ['input.n > 4 && input.n >= 5.0 && 5 <= input.n && input.half < 3', true],
    ['size(input.list) > input.half', true],
    ['size(input.list) == 3.0', true],
    ['input.n in [1, 5]', true],
    ['1 in input.list', true],
    ['{"b": 1} in [{"a": 1}]', false],
    ['"n" in input', true],
    ['input.list[0]', 1],
    ['input.list[input.n - 3]', 'x'],
    ['[1] + input.list + ["y"]', [1, 1, 2, 'x', 'y']],
    ['input.list == [1, 2, "x"]', true],
    ['input.nested == [[1], ["a"], [{"b": [null]}]]', true],
    ['input.nested[1][0] + "b"', 'ab'],
    ['"a" < input.s', true],
    ['input.n > 3 ? "many" : "few"', 'many'],
    ['input.n > 3 ? dyn("many") : dyn(1)', 'many'],
    ['string(input.n) + " rows"', '5 rows'],
    ['int(input.half) + 1', 3],
    ['input.s.substring(1)', 'bc'],
    ['input.s.split("").join("-")', 'a-b-c'],
    ['["a", "b"].join()', 'ab'],
    ['input.s.contains("b") && input.s.indexOf("c") == 2', true],
    ['bytes(input.json).json().a[0]', 1],
    ['needs.map(n, n.output.v)', [1, 2]],
    ['needs[1].name', 'b'],
    ['input.rows.filter(r, r.ok).map(r, r.id)', [1, 3]],
    ['input.rows.map(r, r.ok, r.id * 2)', [2, 6]],
    ['input.rows.exists(r, r.id == 2)', true],
    ['input.rows.all(r, r.id > 1)', false],
    ['input.rows.exists_one(r, !r.ok)', true],
    ['input.rows.exists(r, r.missing == 1 || r.id == 3)', true],
    [
      '[1, 2].map(x, [10, 20].map(y, x * y))',
      [
        [10, 20],
        [20, 40],
      ],
    ],
    ['input.odd.map(k, k)', ['__proto__', 'a']],
    ['cel.bind(x, input.n, x + x)', 10],
    ['job.id', 'j1'],
    ['job', { id: 'j1' }],
    ['steps.build.output.rows[1]', 2],
    ["steps['build-image'].output.tag", 'v1'],
    ['steps.constructor.output', 7],
    ['steps.broken.output', null],
    ['steps.broken.status', 'failed'],
    ['steps.absent.output', null],
    ['steps.absent.status', null],
    ['steps.__proto__.output', null],
    ['has(input.n) && !has(input.m)', true],
    ['has(steps.broken.output.rows)', false],
    ["has(steps['build-image'].output.tag)", true],
    ['steps.broken.output.?rows.orValue("none")', 'none'],
    ['input.?n.orValue(1)', 5],
    ['input.list[?9].orValue("none")', 'none'],
    ['input.list[?0]', 1],
    ['[optional.of(1)]', [1]],
    ['input.?missing', null],
    ['optional.none()', null],
    ['{"n": size(input.list), "of": [input.n], 1: "one"}', { n: 3, of: [5], 1: 'one' }],
    ['b"abc"', 'YWJj'],
    ['3u', 3],
    ['timestamp(input.time)', '2026-11-21T10:00:00.000Z'],
    ['timestamp(input.time) + duration("90m")', '2026-11-21T11:30:00.000Z'],
    ['timestamp(input.time).getHours()', 10],
    ['timestamp(input.time).getHours("America/New_York")', 5],
    ['duration("1h30m")', '5400s'],
    ['duration("-1.5s")', '-1.5s'],
    ['duration("250ms")', '0.25s'],
    ['duration("2s") > duration("1s")', true],
    ['"}} " + \'}}\' + """}}"""', '}} }}}}'],
    ['"a\\"}}"', 'a"}}'],
    ['{"a": {"b": {}}}', { a: { b: {} } }],
  ])('%s gives %j', (expression, expected) => {
    expect(value(expression)).toEqual(expected);
  });

  it.each([
    ['input.missing', 'No such key: missing; where it may be missing, ask `has(a.b)`'],
    ['steps.broken.output.rows', 'cannot read `rows` of null; where it may be missing'],
    ['input.nothing["x"]', 'cannot read `x` of null'],
    ['input.list[7]', 'index out of bounds'],
    ['input.s[0]', 'No such key: 0'],
    ['input.s + 1', 'string() makes text of a number'],
    ['input.n + true', 'no such overload'],
    ['input.s.substring(input.n)', 'int() makes one whole'],
    ['input.n / 0', 'division by zero'],
    ['input.n % (input.n - 5)', 'division by zero'],
    ['1 / 0', 'division by zero'],
    ['1.0 / 0.0', 'Infinity, which JSON cannot say'],
    ['double("nan")', 'NaN, which JSON cannot say'],
    ['9007199254740993', 'too large for JSON; use string()'],
    ['9223372036854775807 + 1', 'overflow'],
    ['type(1)', 'a type or a namespace'],
    ['google', 'a type or a namespace'],
    ['timestamp(253402300799) + duration("9999999999999h")', 'not a time that there is'],
    ['timestamp(input.time).getHours("Mars")', 'time zone'],
    ['input.n.map(x, x)', 'cannot be range of a comprehension'],
    ['bytes(input.s).json()', 'JSON'],
    ['success()', 'can only be called in an `if`'],
    ['cancelled()', 'there is no `cancelled()`'],
    ['input.s.matches("a")', '`matches` is not available'],
    ['nope', 'Unknown variable'],
  ])('%s is an error that says why', (expression, why) => {
    const text = message(expression);
    expect(text).toContain(why);
    expect(text.startsWith(`\`${expression}\``)).toBe(true);
  });

  it('reaches nothing through prototypes', () => {
    for (const key of [
      '__proto__',
      'constructor',
      'toString',
      'hasOwnProperty',
      'prototype',
      '__defineGetter__',
    ]) {
      for (const base of ['input', 'input.s', 'input.n', 'input.list', 'job', 'needs[0]', 'input.rows']) {
        const result = renderTemplate(`\${{ ${base}.${key} }}`, scope);
        expect(result.ok, `${base}.${key}`).toBe(false);
        expect(renderTemplate(`\${{ ${base}["${key}"] }}`, scope).ok).toBe(false);
      }
    }
  });

  it('reads keys of those names where the data has them', () => {
    expect(value('input.driver.constructor.name')).toBe('Ferrari');
    expect(value('input.driver["year"]')).toBe(2026);
    expect(value('input.driver.toString')).toBe('own');
    expect(value('size(input.driver)')).toBe(3);
    expect(value('has(input.driver.constructor)')).toBe(true);
    expect(message('input.driver.missing')).toContain('input.driver.missing');
    expect(value('input.odd.__proto__.x')).toBe(1);
    const copy = value('input.odd') as object;
    expect(JSON.stringify(copy)).toBe('{"__proto__":{"x":1},"a":2}');
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
    expect(Object.getPrototypeOf(value('{"__proto__": {"polluted": true}}'))).toBe(Object.prototype);
  });

  it('replaces what Postgres cannot keep, in values, keys and messages', () => {
    expect(value('"a\\u0000b"')).toBe('a\uFFFDb');
    expect(value('"😀".substring(1)')).toBe('\uFFFD');
    expect(value('{"k\\u0000": "😀".substring(0, 1)}')).toEqual({ 'k\uFFFD': '\uFFFD' });
    expect(message('input["a\\u0000"]')).not.toContain('\0');
    expect(message(`input["${'x'.repeat(65)}😀😀"]`).isWellFormed()).toBe(true);
  });

  it('is shortened in its message, as is what went wrong', () => {
    const text = message(`input["${'k'.repeat(3000)}"]`);
    expect(text.length).toBeLessThan(500);
    expect(text).toContain('…');
  });

  it('works on in a program that failed before', () => {
    expect(message('input.rows.map(r, r.id.x)')).toContain('No such key');
    expect(value('input.rows.map(r, r.id)')).toEqual([1, 2, 3]);
    const one = { ...scope, input: { list: [1] } };
    const two = { ...scope, input: { list: ['a', 'b'] } };
    expect(value('input.list.map(x, [x])', one)).toEqual([[1]]);
    expect(value('input.list.map(x, [x])', two)).toEqual([['a'], ['b']]);
  });
});

describe('renderTemplate', () => {
  it('keeps the type of a whole expression and makes text of a mixed one', () => {
    const template = {
      whole: '${{ input.rows[0] }}',
      spaced: '  ${{ input.n }}\n',
      mixed:
        'n=${{ input.n }} s=${{ input.s }} l=${{ input.list }} o=${{ input.rows[0] }} z=${{ input.nothing }}',
      two: '${{ input.n }}${{ input.half }}',
      list: ['x', '${{ input.n }}', [null, true, 1]],
    };
    expect(renderTemplate(template, scope)).toEqual({
      ok: true,
      value: {
        whole: { id: 1, ok: true },
        spaced: 5,
        mixed: 'n=5 s=abc l=[1,2,"x"] o={"id":1,"ok":true} z=null',
        two: '52.5',
        list: ['x', 5, [null, true, 1]],
      },
    });
  });

  it('makes a plain `${{` of `$${{`', () => {
    const rendered = renderTemplate(
      ['$${{ input.n }}', 'a $${{ x ${{ input.n }} $${{', '${{input.n}}$${{'],
      scope,
    );
    expect(rendered).toEqual({ ok: true, value: ['${{ input.n }}', 'a ${{ x 5 ${{', '5${{'] });
  });

  it('leaves keys and everything without an expression as they are, shared and not copied', () => {
    const part = { deep: ['$ {{ x }}', -0, null] };
    const template = { '${{ input.n }}': part, x: '${{ input.n }}', ['__proto__']: 1 };
    const rendered = renderTemplate(template, scope);
    expect(rendered).toEqual({ ok: true, value: { '${{ input.n }}': part, x: 5, ['__proto__']: 1 } });
    expect(rendered.ok && (rendered.value as typeof template)['${{ input.n }}']).toBe(part);
    expect(renderTemplate(part, scope)).toEqual({ ok: true, value: part });
  });

  it('says which expression failed, and reports one that is not closed', () => {
    const rendered = renderTemplate({ a: '${{ input.n }}', b: 'x ${{ input.nope }}' }, scope);
    expect(rendered).toMatchObject({
      ok: false,
      error: { message: expect.stringMatching(/^`input\.nope`: /) },
    });
    expect(renderTemplate('${{ input.n', scope)).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining('not closed') },
    });
  });

  it('refuses a result larger or deeper than a value may be', () => {
    const big = 'x'.repeat(LIMITS.valueBytes / 2);
    const over = {
      ...scope,
      input: { big, wide: 'é'.repeat(LIMITS.valueBytes / 2), many: Array(50_000).fill(1.25) },
    };
    expect(value('[input.big]', over)).toEqual([big]);
    for (const expression of ['[input.big, input.big]', 'input.wide', 'input.many + input.many']) {
      expect(message(expression, over)).toContain('262144 bytes');
    }
    expect(renderTemplate({ a: '${{ input.big }}', b: big }, over)).toMatchObject({ ok: false });
    expect(renderTemplate('${{ input.big }}${{ input.big }}', over)).toMatchObject({ ok: false });
    expect(renderTemplate({ a: '${{ input.big }}', b: big.slice(100) }, over)).toMatchObject({ ok: true });
    expect(message(`[1]${'.map(x, [[x]])'.repeat(40)}`)).toContain('nested beyond 64 levels');
  });

  it('is the identity for a template without an expression', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (template) => {
        fc.pre(!JSON.stringify(template).includes('${{'));
        const rendered = renderTemplate(template as Json, scope);
        expect(rendered.ok && rendered.value).toBe(template);
      }),
    );
  });

  it('never throws, whatever is written and whatever the data is', () => {
    const word = fc.constantFrom(
      ...[
        'input',
        'steps',
        'needs',
        'job',
        '.',
        'n',
        's',
        'list',
        'rows',
        '[',
        ']',
        '(',
        ')',
        '{',
        '}',
        '"',
        "'",
      ],
      ...[
        '+',
        '-',
        '*',
        '/',
        '%',
        '==',
        '<',
        'in',
        '?',
        ':',
        ',',
        '1',
        '0',
        '2.5',
        '!',
        '&&',
        '||',
        '.?',
        '[?',
      ],
      ...[
        '.map(x, ',
        '.all(x, ',
        '.filter(x, ',
        'x',
        'size(',
        'has(',
        'null',
        'true',
        ' ',
        '}}',
        '${{',
        '$${{',
      ],
      ...[
        'string(',
        'duration(',
        'timestamp(',
        'type(',
        'bytes(',
        '.split(',
        '.join(',
        '.output',
        '\\u0000',
        '//',
      ],
    );
    const source = fc.oneof(
      fc.array(word, { maxLength: 14 }).map((words) => words.join('')),
      fc.string({ unit: 'binary', maxLength: 30 }),
    );
    fc.assert(
      fc.property(source, fc.jsonValue(), (text, data) => {
        const over = { ...scope, input: data as Json };
        for (const at of [scope, over]) {
          const rendered = renderTemplate([`\${{ ${text} }}`, `a ${text}`], at);
          if (rendered.ok) expect(JSON.parse(JSON.stringify(rendered.value))).toBeDefined();
          else expect(rendered.error.message.isWellFormed()).toBe(true);
          expect(evaluateCondition(text, at).ok).toBeTypeOf('boolean');
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('evaluateCondition', () => {
  it.each([
    ['input.n > 3', true],
    ['${{ input.n > 9 }}', false],
    [' ${{ !(input.s in ["abc"]) }} ', false],
    ['success()', true],
    ['failure()', false],
    ['always()', true],
    ['!success() || steps.broken.status == "failed"', true],
    ['steps.absent.status == "succeeded"', false],
  ])('%s is %s', (source, expected) => {
    expect(evaluateCondition(source, scope)).toEqual({ ok: true, value: expected });
  });

  it('answers the status functions from its scope each time', () => {
    const after = { ...scope, success: false, failure: true };
    expect(evaluateCondition('success()', after)).toEqual({ ok: true, value: false });
    expect(evaluateCondition('failure()', after)).toEqual({ ok: true, value: true });
    expect(evaluateCondition('success()', scope)).toEqual({ ok: true, value: true });
  });

  it.each([
    ['input.n', 'number'],
    ['size(input.list)', 'number'],
    ['3u', 'number'],
    ['input.s', 'string'],
    ['input.nothing', 'null'],
    ['input.list', 'list'],
    ['input.driver', 'object'],
    ['timestamp(input.time)', 'timestamp'],
    ['duration("1s")', 'duration'],
    ['optional.of(true)', 'optional'],
    ['b"x"', 'bytes'],
  ])('%s is an error that names its type', (source, type) => {
    expect(evaluateCondition(source, scope)).toEqual({
      ok: false,
      error: {
        code: 'expression_error',
        message: `\`${source}\`: an \`if\` must be true or false, and this is a value of type ${type}`,
      },
    });
  });

  it('gives errors as values', () => {
    for (const source of ['input.missing', '${{ true }} && ${{ true }}', 'input..', '', 'secrets.x']) {
      expect(evaluateCondition(source, scope)).toMatchObject({
        ok: false,
        error: { code: 'expression_error' },
      });
    }
  });
});
