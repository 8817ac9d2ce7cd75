import type { Chance } from './random.ts';
import { asBytes, type Shot } from './shot.ts';

/** A way to break a request at the wire; false when it cannot be done to this one. */
export type Fault = (shot: Shot, chance: Chance) => unknown;

// A job that would change nothing, whatever a broken byte makes of it.
export const HARMLESS = Buffer.from(
  '{"name":"wire","uses":"value","with":{"text":"0123456789 abcdefghij ünï"}}',
);
export const MIB = 1024 * 1024;

export function alone(shot: Shot, bytes: Buffer | string): void {
  shot.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes, 'latin1');
  shot.way = 'alone';
}

/** The head as it would be, with other framing than the length of the body. */
export function headOf({ method, target, headers }: Shot, framing: string): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `${method} ${target} HTTP/1.1\r\n${lines}${framing}\r\n`;
}

export function withHeader(shot: Shot, name: string, value: string): void {
  shot.headers = [...shot.headers.filter(([one]) => one.toLowerCase() !== name.toLowerCase()), [name, value]];
  shot.bytes = asBytes(shot);
}

export function withBody(shot: Shot, body: Buffer): boolean {
  if (shot.body === null) return false;
  shot.body = body;
  shot.bytes = asBytes(shot);
  return true;
}
