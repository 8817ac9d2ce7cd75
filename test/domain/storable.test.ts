import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Problem } from '../../src/domain/errors.ts';
import type { Json } from '../../src/domain/json.ts';
import {
  findOutputFault,
  findUnstorable,
  jsonBytes,
  makeStorable,
  makeTextStorable,
  pointerTo,
} from '../../src/domain/storable.ts';

function faults(value: Json, pointer = ''): Problem[] {
  const problems: Problem[] = [];
  findUnstorable(value, pointer, (problem) => problems.push(problem));
  return problems;
}

function nested(depth: number): Json {
  let value: Json = [];
  for (let level = 1; level < depth; level++) value = level % 2 === 0 ? [value] : { deeper: value };
  return value;
}

/** Strings with plenty of what Postgres refuses. */
const anyText = fc
  .array(fc.constantFrom('a', '\0', '\ud800', '\udfff', '😀', '~', '/'), { maxLength: 6 })
  .map((parts) => parts.join(''));
const anyValue = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    anyText,
    fc.constantFrom<Json[]>(null, true, 1.5),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(anyText, fc.constant('__proto__')), tie('value'), { maxKeys: 4 }),
  ),
})).value;

describe('pointerTo', () => {
  it('writes pointers as RFC 6901 says', () => {
    expect(pointerTo(pointerTo('/with', 'a/b~c'), 3)).toBe('/with/a~1b~0c/3');
    expect(pointerTo('', '')).toBe('/');
  });
});

describe('findUnstorable', () => {
  it.each<[string, Json, Omit<Problem, 'detail'>]>([
    ['U+0000', { run: 'a\0b' }, { pointer: '/with/run', code: 'not_storable' }],
    ['a lone surrogate', ['x', '\ud83d'], { pointer: '/with/1', code: 'not_storable' }],
    ['a bad key', { 'a/\0': 1 }, { pointer: '/with/a~1\0', code: 'not_storable' }],
    [
      'a number past the doubles',
      { n: [Number.POSITIVE_INFINITY] },
      { pointer: '/with/n/0', code: 'number_out_of_range' },
    ],
  ])('finds %s and says where it is', (_, value, expected) => {
    const [problem, ...others] = faults(value, '/with');
    expect(problem).toMatchObject(expected);
    expect(problem?.detail).toMatch(/^the (text|key|number) /);
    expect(others).toEqual([]);
  });

  it('says which of the two a text holds', () => {
    expect(faults('\0')[0]?.detail).toBe('the text holds U+0000, which cannot be stored');
    expect(faults('\udc00')[0]?.detail).toBe(
      'the text holds half of a surrogate pair, which cannot be stored',
    );
  });

  it('admits 64 levels and no more', () => {
    expect(faults(nested(64))).toEqual([]);
    const [problem] = faults(nested(65));
    expect(problem).toMatchObject({ code: 'too_deep', detail: 'nested deeper than 64 levels' });
    expect(problem?.pointer.split('/').length).toBe(65);
    expect(faults(nested(100_000)).length).toBe(1);
  });

  it('has nothing to say about whole text, whatever its script', () => {
    expect(faults({ a: ['😀', 'é', '\u0001', null, true, -0, 1e308], __proto__x: {} })).toEqual([]);
  });
});

describe('makeStorable', () => {
  it('puts U+FFFD for U+0000 and lone surrogates, in texts and keys', () => {
    expect(makeStorable({ 'a\0': ['\ud800x', { b: '\0' }], ok: '😀' })).toEqual({
      'a\uFFFD': ['\uFFFDx', { b: '\uFFFD' }],
      ok: '😀',
    });
    expect(makeStorable('\0')).toBe('\uFFFD');
    expect(makeTextStorable('a\0\udc00')).toBe('a\uFFFD\uFFFD');
  });

  it('gives back the very value when nothing is wrong', () => {
    const value = { a: [1, 'x', null, { b: true }] };
    expect(makeStorable(value)).toBe(value);
  });

  it('keeps a key called __proto__ as data', () => {
    const value = JSON.parse('{"__proto__": {"a": "\\u0000"}}') as Json;
    expect(JSON.stringify(makeStorable(value))).toBe('{"__proto__":{"a":"\uFFFD"}}');
  });

  it('leaves nothing that cannot be stored, and changes nothing else', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const before = JSON.stringify(value);
        const mended = makeStorable(value);
        expect(faults(mended)).toEqual([]);
        expect(JSON.stringify(value)).toBe(before);
        if (faults(value).length === 0) expect(mended).toBe(value);
        const plain = (json: Json) =>
          JSON.stringify(json).replaceAll(/\\u0000|\\ud[89a-f][0-9a-f]{2}/g, '\uFFFD');
        const keysClash =
          new Set(plain(value).match(/"[^"]*":/g)).size !== (plain(value).match(/"[^"]*":/g) ?? []).length;
        if (!keysClash) expect(JSON.stringify(mended)).toBe(plain(value));
      }),
    );
  });

  it('takes any depth', () => {
    let deep: Json = '\0';
    for (let level = 0; level < 100_000; level++) deep = [deep];
    let mended = makeStorable(deep);
    while (Array.isArray(mended)) mended = mended[0] as Json;
    expect(mended).toBe('\uFFFD');
  });
});

describe('findOutputFault', () => {
  it('has nothing against an output that can be kept, or mended', () => {
    expect(findOutputFault({ a: [1, 'x\0'] })).toBeNull();
    expect(findOutputFault('x'.repeat(262_142))).toBeNull();
  });

  it('says in a sentence what cannot be kept', () => {
    expect(findOutputFault({ a: [Number.POSITIVE_INFINITY] })).toBe(
      'the output cannot be stored: the number is outside the range of a double; send it as text (at "/a/0")',
    );
    expect(findOutputFault(nested(65))).toBe('the output cannot be stored: nested deeper than 64 levels');
    expect(findOutputFault('é'.repeat(131_072))).toBe(
      'the output is 262146 bytes of JSON; the most is 262144',
    );
  });
});

describe('jsonBytes', () => {
  it('counts bytes of UTF-8', () => {
    expect(jsonBytes({ a: 'é😀' })).toBe(14);
  });
});
