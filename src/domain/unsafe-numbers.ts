import { LIMITS } from './limits.ts';
import { pointerTo } from './storable.ts';

/** A number that the body says and that JavaScript cannot hold: where it stands and how it was written. */
export interface UnsafeNumber {
  pointer: string;
  literal: string;
}

// Sixteen digits before any point, or an exponent of three: without one of these no number is in danger.
const SUSPECT = /(?<![\d.])\d{16}|\d[eE]\+?\d{3}/;
const NUMBER = /-?\d[\d.eE+-]*/g;
/** Characters of a text in which places are found: any output, and any job that somebody wrote. */
const LOCATED = 512 * 1024;

/**
 * Finds the numbers in a JSON text (one that parses) that arrive changed: integers past 2^53, which JSON.parse rounds,
 * and numbers past the range of doubles, which it turns into Infinity. At most 100, in order of the text. A body
 * without long runs of digits costs one search, 2 ms a megabyte; only a body with such a number is parsed again. Of a
 * text above half a megabyte it gives the first alone, and not its place: its pointer is empty.
 */
export function findUnsafeNumbers(text: string): UnsafeNumber[] {
  if (!SUSPECT.test(text)) return [];
  const literal = firstUnsafe(text);
  if (literal === null) return [];
  // To find their places takes two seconds for a million numbers: of a long text the first is told, as it is written.
  if (text.length > LOCATED) return [{ pointer: '', literal }];
  try {
    return locate(text);
  } catch (error) {
    // The reviver recurses: a text nested deeper than the stack is refused for its depth by whoever reads the value.
    if (error instanceof RangeError) return [];
    throw error;
  }
}

function isUnsafe(literal: string): boolean {
  const value = Number(literal);
  return /^-?\d+$/.test(literal) ? !Number.isSafeInteger(value) : !Number.isFinite(value);
}

// Looks between the strings only, since ids and hashes in strings are full of digits.
function firstUnsafe(text: string): string | null {
  let from = 0;
  while (from < text.length) {
    const quote = text.indexOf('"', from);
    const between = text.slice(from, quote === -1 ? text.length : quote);
    if (SUSPECT.test(between)) {
      for (const [literal] of between.matchAll(NUMBER)) if (isUnsafe(literal)) return literal;
    }
    if (quote === -1) return null;
    from = endOfString(text, quote) + 1;
  }
  return null;
}

/** Where the string ends that begins at `start` of a JSON text; the length of the text when it does not. */
export function endOfString(text: string, start: number): number {
  let end = start;
  for (;;) {
    end = text.indexOf('"', end + 1);
    if (end === -1) return text.length;
    let slashes = 0;
    while (text[end - 1 - slashes] === '\\') slashes++;
    if (slashes % 2 === 0) return end;
  }
}

interface Spot {
  holder: object;
  key: string;
}

function locate(text: string): UnsafeNumber[] {
  const found: (Spot & { literal: string })[] = [];
  // The reviver sees children before their parents, so it suffices to remember who holds what turned out to matter.
  const holderOf = new Map<object, Spot | null>();
  JSON.parse(text, function (this: object, key: string, value: unknown, context?: { source?: string }) {
    if (typeof value === 'number' && context?.source !== undefined && isUnsafe(context.source)) {
      if (found.length < LIMITS.errorsPerProblem) found.push({ holder: this, key, literal: context.source });
      holderOf.set(this, null);
    } else if (typeof value === 'object' && value !== null && holderOf.has(value)) {
      holderOf.set(value, { holder: this, key });
      holderOf.set(this, null);
    }
    return value;
  } as (this: unknown, key: string, value: unknown) => unknown);
  return found.map(({ holder, key, literal }) => ({
    pointer: pointerOf({ holder, key }, holderOf),
    literal,
  }));
}

function pointerOf(spot: Spot, holderOf: ReadonlyMap<object, Spot | null>): string {
  const keys: string[] = [];
  for (let at: Spot | null | undefined = spot; at; at = holderOf.get(at.holder)) keys.unshift(at.key);
  // The outermost holder is the one that JSON.parse makes up, with the key "".
  return keys.slice(1).reduce(pointerTo, '');
}
