import { describe, expect, it } from 'vitest';
import { evaluateCondition, renderTemplate } from '../../src/domain/expression/evaluate.ts';
import { evaluator } from '../../src/domain/expression/language.ts';
import { programOf } from '../../src/domain/expression/program.ts';
import type { Json } from '../../src/domain/json.ts';

const input: Json = {
  big: 'a'.repeat(200_000),
  digits: '1'.repeat(5_000),
  many: Array.from({ length: 20_000 }, (_, i) => i),
  words: Array.from({ length: 20_000 }, (_, i) => `${i}${'w'.repeat(200)}`),
  objects: Array.from({ length: 3_000 }, (_, i) => ({ i, of: [i, { a: String(i) }] })),
  wide: Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`k${i}`, i])),
};
const scope = { job: { id: 'j' }, input, steps: {}, needs: [], success: true, failure: false };

function outcome(expression: string): Json {
  const result = renderTemplate(`\${{ ${expression} }}`, scope);
  return result.ok ? result.value : result.error.message;
}

/** So often that doubling would fill any memory, and still few enough parts to be accepted. */
const often = (text: string) => text.repeat(60);

describe('the budget of an expression', () => {
  it.each([
    ['doubling of text', `["ab"]${often('.map(x, x+x)')}.size()`],
    ['doubling of lists', `[[1]]${often('.map(x, x+x)')}.size()`],
    ['doubling of bytes', `[b"ab"]${often('.map(x, x+x)')}.size()`],
    ['doubling by hex', `[b"abcdefgh"]${often('.map(x, bytes(x.hex()))')}.size()`],
    ['a loop over much in a loop over much', 'input.many.map(x, input.many.map(y, x)).size()'],
    ['a loop that never finds', 'input.many.exists(x, input.many.exists(y, y < 0))'],
    ['a loop over the keys of a wide object', 'input.many.all(x, input.wide.all(k, true))'],
    ['copies in a loop', 'input.many.map(x, input.many + input.many).size()'],
    ['pieces joined', 'input.big.split("").map(x, input.big).join("").size()'],
    ['pieces joined by much', 'input.many.map(x, "").join(input.big).size()'],
    ['splits in a loop', 'input.many.map(x, input.big.split("")).size()'],
    ['pieces kept', 'input.many.filter(x, x < 100).map(x, input.big.split("")).size()'],
    ['calls on long text in a loop', 'input.many.exists(x, input.big.contains("b"))'],
    ['sizes of long text in a loop', 'input.many.map(x, size(input.big)).size()'],
    ['a long search in long text', 'input.big.contains(input.big.substring(100000) + "b")'],
    ['a long search from the end', 'input.big.lastIndexOf("b" + input.big.substring(100000))'],
    ['deep comparison in a loop', 'input.objects.all(x, input.objects.map(y, y) == input.objects)'],
    ['comparison of unlike things in a loop', 'input.many.exists(x, input.objects == input.many)'],
    ['comparison of long text in a loop', 'input.many.map(x, input.big).all(x, x == input.big.trim())'],
    ['a search for an object in a loop', 'input.many.exists(x, {"a": 1} in input.objects)'],
    ['a search for a word in a loop', 'input.words.all(x, x in input.words)'],
    ['a search for a number in a loop', 'input.many.exists(x, -1 in input.many)'],
    ['shared parts compared', `[1]${often('.map(x,[x,x])')} == [1]${often('.map(x,[x,x])')}`],
    ['clocks', 'input.many.map(x, timestamp(0).getHours("Europe/Paris")).size()'],
    ['durations', 'input.many.map(x, duration("1h2m3s")).size()'],
    ['swallowed errors', 'input.many.exists(x, input.missing)'],
    ['swallowed errors of has', 'input.many.exists(x, has(input.missing.x))'],
    ['swallowed errors of or', 'input.many.map(x, input.missing || true).size()'],
    ['indexes past the end', 'input.many.map(x, input.many[?99999]).size()'],
    ['a budget used up inside what swallows errors', 'input.many.exists(x, input.many + [x] == []) || true'],
  ])('stops %s', (_, expression) => {
    const result = String(outcome(expression));
    expect(result).toContain('too many operations');
  });

  it.each([
    ['shared parts rendered', `[1]${often('.map(x,[x,x])')}`, '262144 bytes'],
    ['one large part rendered often', 'input.many.map(x, input.big)', '262144 bytes'],
    [
      'a duration of thousands of digits',
      'duration(input.digits) > duration("1s")',
      'too long for a duration',
    ],
  ])('stops %s', (_, expression, why) => {
    expect(outcome(expression)).toContain(why);
  });

  it.each<[string, Json]>([
    ['input.many.map(x, x * 2).filter(x, x % 4 == 0).size()', 10_000],
    ['input.many.map(x, string(x)).join(",").size()', 108_889],
    ['input.objects.map(x, x) == input.objects', true],
    ['input.big.contains("needle in a haystack")', false],
    ['input.objects.filter(o, o.of[1].a == "77").map(o, o.i)', [77]],
    ['input.many.map(x, input.many[?0]).size()', 20_000],
    ['{"a": 1} in input.objects || 5 in input.many', true],
    ['input.words.exists(w, w.startsWith("19999"))', true],
    ['size(input.wide)', 20_000],
    ['timestamp("2026-11-21T10:00:00Z").getHours("Europe/Paris")', 11],
  ])('suffices for %s', (expression, expected) => {
    expect(outcome(expression)).toEqual(expected);
  });

  it('is one for a whole template, and a new one for the next', () => {
    const half = '${{ input.many.map(x, x + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1 + 1).size() }}';
    expect(renderTemplate([half], scope)).toMatchObject({ ok: true });
    expect(renderTemplate(Array(20).fill(half), scope)).toMatchObject({ ok: false });
    expect(renderTemplate([half], scope)).toMatchObject({ ok: true });
    expect(evaluateCondition('input.many.exists(x, input.many.exists(y, false))', scope).ok).toBe(false);
    expect(evaluateCondition('input.many.size() > 0', scope)).toEqual({ ok: true, value: true });
  });
});

describe('the memory of the language', () => {
  it('keeps the programs in use and drops those that were not used for long', () => {
    const source = (i: number) => `input.n + ${i} + ${'0 + '.repeat(20)} 0`;
    const [used, unused] = [programOf(source(0)), programOf(source(1))];
    for (let i = 2; i < 3000; i++) {
      programOf(source(i));
      expect(programOf(source(0))).toBe(used);
    }
    expect(programOf(source(1))).not.toBe(unused);
    expect(programOf(source(1)).problems).toEqual([]);
  });

  it('keeps no type for a shape of data', () => {
    const { registry } = evaluator;
    const list = registry.getType('list');
    expect(registry.getListType(registry.getListType(registry.getType('map')))).toBe(list);
    expect(registry.getMapType(registry.getType('string'), list)).toBe(registry.getType('map'));
    expect(registry.getOptionalType(list)).toBe(registry.getType('optional'));
    expect(evaluator.debugTypeDeep([[{ a: [1] }]])).toBe(list);
  });

  it('keeps nothing for a function that does not exist', () => {
    const { registry } = evaluator;
    const first = registry.functionCandidates(false, 'first', 1);
    expect(registry.functionCandidates(false, 'second', 7)).toBe(first);
    expect(registry.functionCandidates(true, 'first', 1)).not.toBe(
      registry.functionCandidates(true, 'size', 0),
    );
  });
});
