import type { Problem } from './errors.ts';
import type { Json } from './json.ts';
import { LIMITS } from './limits.ts';

/**
 * What Postgres cannot keep of what users give us, found at the edge: one NUL in one output would fail the whole batch
 * that it travels in, for ever. In definitions it is refused with its place, in outputs and errors it is replaced.
 */

/** One step of a JSON pointer (RFC 6901) below `pointer`. */
export function pointerTo(pointer: string, key: string | number): string {
  if (typeof key === 'number') return `${pointer}/${key}`;
  return `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** Bytes of a value as UTF-8 JSON. The value must not be deeper than the depth limit. */
export function jsonBytes(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/**
 * Finds everything below `pointer` that cannot be stored: U+0000 and lone surrogates in strings and keys, numbers
 * outside the range of doubles, nesting deeper than 64 (`too_deep`; nothing below is looked at).
 */
export function findUnstorable(value: Json, pointer: string, add: (problem: Problem) => void): void {
  walk(value, [], 1, (path, code, detail) => {
    add({ pointer: path.reduce<string>(pointerTo, pointer), code, detail });
  });
}

type Fault = (path: readonly (string | number)[], code: string, detail: string) => void;

// Recursive, but never deeper than the depth limit.
function walk(value: Json, path: (string | number)[], depth: number, fault: Fault): void {
  if (typeof value === 'string') {
    if (!isStorable(value)) fault(path, 'not_storable', describe('the text', value));
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) {
      fault(path, 'number_out_of_range', 'the number is outside the range of a double; send it as text');
    }
  } else if (value !== null && typeof value === 'object') {
    if (depth > LIMITS.jsonDepth) {
      fault(path, 'too_deep', `nested deeper than ${LIMITS.jsonDepth} levels`);
    } else if (Array.isArray(value)) {
      for (let index = 0; index < value.length; index++) {
        path.push(index);
        walk(value[index] as Json, path, depth + 1, fault);
        path.pop();
      }
    } else {
      for (const key of Object.keys(value)) {
        path.push(key);
        if (!isStorable(key)) fault(path, 'not_storable', describe('the key', key));
        walk(value[key] as Json, path, depth + 1, fault);
        path.pop();
      }
    }
  }
}

function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0');
}

function describe(what: string, text: string): string {
  const found = text.includes('\0') ? 'U+0000' : 'half of a surrogate pair';
  return `${what} holds ${found}, which cannot be stored`;
}

/**
 * One sentence on why an output cannot be kept (`output_invalid`), or null: nested deeper than 64, a number outside
 * the range of doubles, more than 256 KB. Text is no reason: `makeStorable` mends it.
 */
export function findOutputFault(output: Json): string | null {
  let fault: string | null = null;
  walk(output, [], 1, (path, code, detail) => {
    if (code === 'not_storable') return;
    const pointer = path.reduce<string>(pointerTo, '');
    fault ??= `the output cannot be stored: ${detail}${path.length > 8 ? '' : ` (at "${pointer}")`}`;
  });
  if (fault !== null) return fault;
  const bytes = jsonBytes(output);
  if (bytes <= LIMITS.valueBytes) return null;
  return `the output is ${bytes} bytes of JSON; the most is ${LIMITS.valueBytes}`;
}

/** The text with U+FFFD in place of U+0000 and of lone surrogates. */
export function makeTextStorable(text: string): string {
  return isStorable(text) ? text : text.toWellFormed().replaceAll('\0', '\uFFFD');
}

/**
 * The value with U+FFFD in place of U+0000 and of lone surrogates, in strings and keys. A value with nothing to mend is
 * given back as it is; a mended one is a copy. Takes any depth.
 */
export function makeStorable(value: Json): Json {
  return needsMending(value) ? mend(value) : value;
}

function needsMending(root: Json): boolean {
  const open: Json[] = [root];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (typeof value === 'string') {
      if (!isStorable(value)) return true;
    } else if (value !== null && typeof value === 'object') {
      if (!Array.isArray(value) && !Object.keys(value).every(isStorable)) return true;
      for (const child of Array.isArray(value) ? value : Object.values(value)) open.push(child);
    }
  }
  return false;
}

function mend(root: Json): Json {
  const mended = mendTop(root);
  const open = [{ from: root, to: mended }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { from, to } = next;
    if (from === null || typeof from !== 'object') continue;
    for (const [key, child] of Object.entries(from)) {
      const value = mendTop(child);
      open.push({ from: child, to: value });
      // Defined, not assigned: a key called `__proto__` is data like any other.
      const attributes = { value, configurable: true, enumerable: true, writable: true };
      Object.defineProperty(to, makeTextStorable(key), attributes);
    }
  }
  return mended;
}

/** A text mended, a container empty, anything else as it is. */
function mendTop(value: Json): Json {
  if (typeof value === 'string') return makeTextStorable(value);
  if (value === null || typeof value !== 'object') return value;
  return Array.isArray(value) ? [] : {};
}
