import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findUnsafeNumbers } from '../../src/domain/unsafe-numbers.ts';

describe('findUnsafeNumbers', () => {
  it.each<[string, { pointer: string; literal: string }[]]>([
    ['9007199254740993', [{ pointer: '', literal: '9007199254740993' }]],
    ['-9007199254740992', [{ pointer: '', literal: '-9007199254740992' }]],
    ['{"input": {"id": 12345678901234567890}}', [{ pointer: '/input/id', literal: '12345678901234567890' }]],
    [
      '{"a": [1, 1e400, {"b/c": [-1E+999]}], "d": 9007199254740993}',
      [
        { pointer: '/a/1', literal: '1e400' },
        { pointer: '/a/2/b~1c/0', literal: '-1E+999' },
        { pointer: '/d', literal: '9007199254740993' },
      ],
    ],
    ['["\\"9999999999999999\\\\", 9999999999999999]', [{ pointer: '/1', literal: '9999999999999999' }]],
    ['{"":[10000000000000000]}', [{ pointer: '//0', literal: '10000000000000000' }]],
  ])('finds what JSON.parse would change in %s', (text, expected) => {
    expect(findUnsafeNumbers(text)).toEqual(expected);
  });

  it.each([
    '{"id": 9007199254740991, "least": -9007199254740991}',
    '{"id": "12345678901234567890", "hash": "3e4005e999"}',
    '{"key 12345678901234567890": 1, "\\\\": "1e999"}',
    '[0.30000000000000004, 1e308, 1.5e300, 123456789.1234567890123456789, 1e-999]',
    '"1234567890123456 \\" 1e999"',
  ])('passes %s', (text) => {
    expect(findUnsafeNumbers(text)).toEqual([]);
  });

  it('finds each unsafe number of any document, and only those', () => {
    const number = fc.constantFrom(
      '1',
      '-2.5',
      '0.30000000000000004',
      '1e308',
      '9007199254740993',
      '1e999',
      '-1e9999',
    );
    const value = fc.letrec<{ value: string }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        number,
        fc.string().map((text) => JSON.stringify(`${text} 1e999`)),
        fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(', ')}]`),
        fc
          .uniqueArray(fc.tuple(fc.string(), tie('value')), { maxLength: 4, selector: ([key]) => key })
          .map(
            (entries) => `{${entries.map(([key, text]) => `${JSON.stringify(key)}: ${text}`).join(', ')}}`,
          ),
      ),
    })).value;
    fc.assert(
      fc.property(value, (text) => {
        const found = findUnsafeNumbers(text);
        const literals = text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '').match(/9007199254740993|-?1e9{3,}/g) ?? [];
        expect(found.map(({ literal }) => literal).sort()).toEqual([...literals].sort());
        for (const { pointer, literal } of found) {
          const keys = pointer
            .split('/')
            .slice(1)
            .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
          const there = keys.reduce<unknown>(
            (at, key) => (at as Record<string, unknown>)[key],
            JSON.parse(text),
          );
          expect(there).toBe(Number(literal));
        }
      }),
    );
  });

  it('names at most 100 of them', () => {
    expect(findUnsafeNumbers(`[${Array(200).fill('1e999').join()}]`)).toHaveLength(100);
  });

  it('leaves a text too deep for the stack to the check of depth', () => {
    expect(findUnsafeNumbers(`${'['.repeat(200_000)}1e999${']'.repeat(200_000)}`)).toEqual([]);
  });

  it('does not hide that a text is no JSON', () => {
    expect(() => findUnsafeNumbers('{"a": 1e999')).toThrow(SyntaxError);
    expect(findUnsafeNumbers('"1e999')).toEqual([]);
  });
});
