import { AppError, type Problem } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { pointerTo } from '../../domain/storable.ts';
import { findUnsafeNumbers } from '../../domain/unsafe-numbers.ts';

/**
 * The value of a JSON body. Throws `invalid_json` with the place of the mistake, or `invalid_body` for a value that
 * would not arrive as it was meant: numbers that a double cannot hold, more than 64 levels.
 */
export function parseJson(body: Buffer): unknown {
  const text = decode(body);
  if (text.trim() === '') throw new AppError('invalid_json', 'the body is empty; send a JSON object');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AppError('invalid_json', `the body is not JSON: ${describe(text, error as Error)}`);
  }
  const problems = findUnsafeNumbers(text).map(unsafeNumber);
  inspect(value, problems);
  if (problems.length === 0) return value;
  throw new AppError('invalid_body', (problems[0] as Problem).detail, problems);
}

function decode(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new AppError('invalid_json', 'the body is not UTF-8; encode it so');
  }
}

function unsafeNumber({ pointer, literal }: { pointer: string; literal: string }): Problem {
  const shown = literal.length > 40 ? `${literal.slice(0, 40)}…` : literal;
  const detail = `the number ${shown} would arrive changed, since a double cannot hold it; send it as text`;
  return { pointer, code: 'unsafe_number', detail };
}

// Without recursion: the text may nest deeper than the stack is.
function inspect(root: unknown, problems: Problem[]): void {
  const open: { value: unknown; pointer: string; depth: number }[] = [{ value: root, pointer: '', depth: 1 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, pointer, depth } = next;
    if (value === null || typeof value !== 'object') continue;
    if (depth > LIMITS.jsonDepth) {
      problems.push({ pointer, code: 'too_deep', detail: `nested deeper than ${LIMITS.jsonDepth} levels` });
      return;
    }
    if (Object.hasOwn(value, '__proto__')) {
      problems.push({
        pointer,
        code: 'forbidden_key',
        detail: 'the key `__proto__` is not taken; name it otherwise',
      });
    }
    const list = Array.isArray(value);
    for (const key of Object.keys(value)) {
      const child = (value as Record<string, unknown>)[key];
      if (child === null || typeof child !== 'object') continue;
      open.push({ value: child, pointer: pointerTo(pointer, list ? Number(key) : key), depth: depth + 1 });
    }
  }
}

const SEARCHED = 65_536;

function describe(text: string, error: Error): string {
  const known = /position (\d+)/.exec(error.message)?.[1];
  const position = known === undefined ? findMistake(text) : Number(known);
  if (position === null) return shorten(error.message);
  if (position >= text.length) return 'it ends too early; is a bracket or a quote missing?';
  const before = text.slice(0, position).split('\n');
  const place = `line ${before.length}, column ${(before.at(-1) as string).length + 1}`;
  return `unexpected ${JSON.stringify(String.fromCodePoint(text.codePointAt(position) as number))} at ${place}`;
}

// The engine does not always say where. A text that was cut before its mistake only ends too early; so the place can
// be searched by halving, which is worth it for texts that a person may have written.
function findMistake(text: string): number | null {
  if (endsEarly(text)) return text.length;
  if (text.length > SEARCHED) return null;
  let [fine, wrong] = [0, text.length];
  while (wrong - fine > 1) {
    const middle = (fine + wrong) >> 1;
    if (endsEarly(text.slice(0, middle))) fine = middle;
    else wrong = middle;
  }
  return fine;
}

function endsEarly(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    const { message } = error as Error;
    const position = /position (\d+)/.exec(message)?.[1];
    return message.includes('end of JSON input') || Number(position) >= text.length;
  }
}

function shorten(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
