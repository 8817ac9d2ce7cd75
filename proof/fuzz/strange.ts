import type { Chance } from './random.ts';
import { Members, Spelt } from './written.ts';

/** Names that mean something to JavaScript, to SQL or to a shell, and are nobody's here. */
export const PROTOTYPE_NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'then',
];

const NUMBERS = [
  ...['1e308', '1e309', '-1e309', '1e400', '-0', '-0.0', '1e-400', '5e-324', '0.1', '1.0', '1e2', '-1', '0'],
  ...['9007199254740991', '9007199254740992', '9007199254740993', '-9007199254740993', '2147483647'],
  ...['2147483648', '-2147483649', '99999999999999999999999999', '1E+2', '123456789012345678901234567890.5'],
];
const NO_NUMBERS = ['NaN', 'Infinity', '-Infinity', '01', '+1', '.5', '1.', '0x10', '1_000', '--1', '1e'];

const TEXTS = [
  ...[
    '',
    ' ',
    '\t\n',
    '\u0000',
    'a\u0000b',
    '\ud800',
    '\udc00x',
    'x\ud83d',
    '\ufeffbom',
    '\ufffe',
    '\u202eabc',
  ],
  ...['مرحبا', 'שלום\u200f', '👩‍👩‍👧‍👦', 'é', 'e\u0301', 'ﬃ', '\u2028', '\u0085', '\u007f', '\u001b[31m'],
  ...["'; drop table job; --", '$1', '%s%n', '../../etc/passwd', '<script>alert(1)</script>', '{{7*7}}'],
  ...['${{ 1 }}', '${{', '${{ steps.x.output }}', '$${{ x }}', '\\', '"', 'null', 'true', '0', '-1', 'NaN'],
  ...['a\r\nX-Injected: yes', '1s', '99999999999d', '1e9', '-5s', '1h1h', 'P1D', '2026-02-30T00:00:00Z'],
  ...['9999-12-31T23:59:60Z', '2026-11-21', '0000-01-01T00:00:00Z', '+275760-09-13T00:00:00.001Z'],
  ...PROTOTYPE_NAMES,
];

/** Text that something may stumble over. */
export function strangeText(chance: Chance): string {
  if (chance.is(0.75)) return chance.pick(TEXTS);
  if (chance.is(0.3)) return chance.pick(['a', '\u0000', '\ud800', '😀', '"', '\\', ' ']).repeat(10_000);
  const length = chance.below(20);
  return Array.from({ length }, () => String.fromCharCode(chance.below(65_536))).join('');
}

/** A number as only text can spell it; sometimes no number at all. */
export function strangeNumber(chance: Chance): Spelt {
  return new Spelt(chance.pick(chance.is(0.8) ? NUMBERS : NO_NUMBERS));
}

/** Lists or objects in one another, as deep as asked. */
export function nested(chance: Chance): Spelt {
  const depth = chance.pick([10, 60, 63, 64, 65, 100, 1_000, 10_000]);
  return chance.is(0.5)
    ? new Spelt(`${'['.repeat(depth)}${']'.repeat(depth)}`)
    : new Spelt(`${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`);
}

/** A value of whatever kind, where one of another kind was wanted. */
export function strangeValue(chance: Chance): unknown {
  const kind = chance.weighed({ text: 6, number: 5, nested: 1, wide: 0.2, empty: 3, other: 3, members: 1 });
  if (kind === 'text') return strangeText(chance);
  if (kind === 'number') return strangeNumber(chance);
  if (kind === 'nested') return nested(chance);
  if (kind === 'wide') return Array.from({ length: 2_000 }, (_, index) => index);
  if (kind === 'empty') return chance.pick([{}, [], null, '']);
  if (kind === 'other')
    return chance.pick([true, false, [null], [[]], { '': '' }, ['a', 1, {}], { a: { b: [] } }]);
  const name = chance.pick([...PROTOTYPE_NAMES, '', 'a', '\u0000', '\ud800', '$ref', '~1/~0']);
  return new Members([
    [name, strangeText(chance)],
    [name, chance.pick([1, null, {}])],
  ]);
}
