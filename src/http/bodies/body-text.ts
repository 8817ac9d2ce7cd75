import { AppError, type ErrorCode, type Problem } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { pointerTo } from '../../domain/storable.ts';

/** The text of a body, without a byte order mark. Throws `code` for bytes that are not UTF-8. */
export function decodeBody(body: Buffer, code: ErrorCode): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new AppError(code, 'the body is not UTF-8; encode it so');
  }
}

/** Ends the reading when there is something wrong with the value. */
export function refuseProblems(problems: readonly Problem[]): void {
  const [first] = problems;
  if (first === undefined) return;
  const where = first.line === undefined ? '' : `line ${first.line}: `;
  throw new AppError('invalid_body', where + first.detail, problems.slice(0, LIMITS.errorsPerProblem));
}

/** A number that is not what the text says by the time it is a double. */
export function unsafeNumber(pointer: string, literal: string): Problem {
  const detail = `the number ${shorten(literal, 40)} would arrive changed, since a double cannot hold it; send it as text`;
  return { pointer, code: 'unsafe_number', detail };
}

/** A key that would be taken for something else by much of what reads JSON. */
export function forbiddenKey(pointer: string): Problem {
  const detail = 'the key `__proto__` is not taken; name it otherwise';
  return { pointer, code: 'forbidden_key', detail };
}

export function tooDeep(pointer: string): Problem {
  return { pointer, code: 'too_deep', detail: `nested deeper than ${LIMITS.jsonDepth} levels` };
}

/**
 * Finds what no body may hold, whatever it was written in: more than 64 levels (nothing more is looked at then) and the
 * key `__proto__`. Gives the number of keys. Without recursion: the text may nest deeper than the stack is.
 */
export function inspectValue(root: unknown, problems: Problem[]): number {
  let keys = 0;
  const open: { value: unknown; pointer: string; depth: number }[] = [{ value: root, pointer: '', depth: 1 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, pointer, depth } = next;
    if (value === null || typeof value !== 'object') continue;
    if (depth > LIMITS.jsonDepth) {
      problems.push(tooDeep(pointer));
      return keys;
    }
    if (Object.hasOwn(value, '__proto__')) problems.push(forbiddenKey(pointer));
    const list = Array.isArray(value);
    const names = Object.keys(value);
    if (!list) keys += names.length;
    for (const key of names) {
      const child = (value as Record<string, unknown>)[key];
      if (child === null || typeof child !== 'object') continue;
      open.push({ value: child, pointer: pointerTo(pointer, list ? Number(key) : key), depth: depth + 1 });
    }
  }
  return keys;
}

export function shorten(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
