import type { Json } from '../domain/json.ts';

// Newer than the types of the language that we compile against.
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/**
 * A value as JSON that our own reader takes back: whole numbers past 2^53 with an exponent, as they must have come,
 * since in plain digits they are refused for perhaps having been rounded.
 */
export function writeReadable(value: Json): string {
  const text = JSON.stringify(value);
  // Without so many digits in a row there is no such number, and writing with a replacer takes much longer.
  if (!/\d{16}/.test(text)) return text;
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'number' && Number.isInteger(part) && !Number.isSafeInteger(part)
      ? rawJSON(part.toExponential())
      : part,
  );
}
