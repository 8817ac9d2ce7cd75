import { Optional } from '@marcbachmann/cel-js';
import type { Json } from '../json.ts';
import { LIMITS } from '../limits.ts';
import { Duration, UnsignedInt } from './language.ts';

/** How large a value is, kept while it is rendered: a small one with shared parts can be endless as JSON. */
export interface Size {
  /** Bytes that it has at the least. */
  least: number;
  /** Bytes that it has at the most: a character may take six as JSON. */
  most: number;
}

export function addText(size: Size, text: string): void {
  size.least += text.length + 2;
  size.most += 6 * text.length + 3;
  if (size.least > LIMITS.valueBytes) throw new Error(tooLarge());
}

export function tooLarge(): string {
  return `the value is larger than ${LIMITS.valueBytes} bytes`;
}

/** Text that Postgres can keep: U+0000 and lone surrogates become U+FFFD. */
export function storable(text: string): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed();
  return wellFormed.includes('\0') ? wellFormed.replaceAll('\0', '\uFFFD') : wellFormed;
}

/** What a value is called in messages. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'bigint') return 'number';
  if (typeof value !== 'object') return typeof value;
  if (Array.isArray(value)) return 'list';
  if (value instanceof Date) return 'timestamp';
  if (value instanceof Duration) return 'duration';
  if (value instanceof Optional) return 'optional';
  if (value instanceof Uint8Array) return 'bytes';
  return value instanceof UnsignedInt ? 'number' : 'object';
}

/**
 * Turns what an expression yields into JSON: numbers of both kinds become numbers, timestamps ISO 8601,
 * durations seconds (`"90s"`), bytes base64, an empty optional null. Throws where JSON has no way to say it.
 */
export function toJson(value: unknown, size: Size, depth: number): Json {
  if (typeof value === 'string') {
    addText(size, value);
    return storable(value);
  }
  size.least += 1;
  size.most += 26;
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'number') return finite(value);
  if (typeof value === 'bigint') return safe(value);
  const object = value as object;
  if (size.least > LIMITS.valueBytes) throw new Error(tooLarge());
  if (depth >= LIMITS.jsonDepth) throw new Error(`the value is nested beyond ${LIMITS.jsonDepth} levels`);
  if (Array.isArray(value)) return value.map((item) => toJson(item, size, depth + 1));
  return isPlain(object) ? toObject(object, size, depth) : toJson(unwrapped(object), size, depth);
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function finite(value: number): number {
  if (Number.isFinite(value)) return value;
  throw new Error(`the result is ${value}, which JSON cannot say`);
}

function safe(value: bigint): number {
  if (BigInt.asIntN(54, value) === value) return Number(value);
  throw new Error('the result is a whole number too large for JSON; use string()');
}

function toObject(value: object, size: Size, depth: number): Json {
  const object: { [key: string]: Json } = {};
  for (const [key, item] of Object.entries(value)) {
    const name = storable(key);
    addText(size, name);
    setKey(object, name, toJson(item, size, depth + 1));
  }
  return object;
}

/** Sets a key as data; plain assignment of `__proto__` would change the object's prototype instead. */
export function setKey(object: { [key: string]: Json }, key: string, value: Json): void {
  if (key !== '__proto__') object[key] = value;
  else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

/** What stands for a value of CEL that JSON does not have. */
function unwrapped(value: object): unknown {
  if (value instanceof Optional) return value.hasValue() ? value.value() : null;
  if (value instanceof UnsignedInt) return value.value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Date) return timestampText(value);
  if (value instanceof Duration) return durationText(value);
  throw new Error('the result is a type or a namespace, which JSON cannot say');
}

function timestampText(value: Date): string {
  if (Number.isNaN(value.getTime())) throw new Error('the result is not a time that there is');
  return value.toISOString();
}

function durationText(value: { seconds: bigint; nanos: number }): string {
  const total = value.seconds * 1_000_000_000n + BigInt(value.nanos);
  const magnitude = total < 0n ? -total : total;
  const fraction = String(magnitude % 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return `${total < 0n ? '-' : ''}${magnitude / 1_000_000_000n}${fraction && `.${fraction}`}s`;
}
