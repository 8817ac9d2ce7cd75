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

/** What is wrong with a body of so many values and different keys: one problem, or none. */
export function tooManyParts(values: number, differentKeys: number): Problem[] {
  const refuse = (code: string, most: number, what: string) => {
    const detail = `the body has more than ${most.toLocaleString('en')} ${what}; send it in several parts`;
    return [{ pointer: '', code, detail }];
  };
  if (values > LIMITS.bodyValues) return refuse('too_many_values', LIMITS.bodyValues, 'values');
  if (differentKeys > LIMITS.bodyKeys) return refuse('too_many_keys', LIMITS.bodyKeys, 'different keys');
  return [];
}

/**
 * Finds what no body may hold, whatever it was written in: more than 64 levels (nothing more is looked at then) and the
 * key `__proto__`. Gives the number of keys. Recursive, but never deeper than those levels.
 */
export function inspectValue(root: unknown, problems: Problem[]): number {
  const path: (string | number)[] = [];
  const at = () => path.reduce<string>(pointerTo, '');
  let keys = 0;
  // Whether it goes on.
  const visit = (value: object, depth: number): boolean => {
    if (depth > LIMITS.jsonDepth) {
      problems.push(tooDeep(at()));
      return false;
    }
    if (Array.isArray(value)) {
      for (let index = 0; index < value.length; index++) {
        if (isObject(value[index]) && !below(index, value[index], depth)) return false;
      }
      return true;
    }
    if (Object.hasOwn(value, '__proto__')) problems.push(forbiddenKey(at()));
    for (const key of Object.keys(value)) {
      keys++;
      const child = (value as Record<string, unknown>)[key];
      if (isObject(child) && !below(key, child, depth)) return false;
    }
    return true;
  };
  const below = (key: string | number, child: object, depth: number) => {
    path.push(key);
    const goesOn = visit(child, depth + 1);
    path.pop();
    return goesOn;
  };
  if (isObject(root)) visit(root, 1);
  return keys;
}

function isObject(value: unknown): value is object {
  return value !== null && typeof value === 'object';
}

/** Counts the values and the different keys of a value that was read from something else than JSON. */
export function countParts(root: unknown): { values: number; differentKeys: number } {
  const names = new Set<string>();
  let values = 0;
  const open: unknown[] = [root];
  while (open.length > 0 && values <= LIMITS.bodyValues && names.size <= LIMITS.bodyKeys) {
    const value = open.pop();
    values++;
    if (!isObject(value)) continue;
    values++;
    if (!Array.isArray(value)) for (const key of Object.keys(value)) names.add(key);
    for (const child of Array.isArray(value) ? value : Object.values(value)) open.push(child);
  }
  return { values, differentKeys: names.size };
}

export function shorten(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
