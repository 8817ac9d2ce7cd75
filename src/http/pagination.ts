import { AppError } from '../domain/errors.ts';
import type { JobPosition } from '../repositories/read-jobs.ts';

// Opaque to clients, so that the order of a list may change; the letter tells one list's cursors from another's.

/** The cursor of a place in the list of jobs. */
export function encodeJobCursor(position: JobPosition): string {
  return encode(`j:${position.created_us}:${position.id}`);
}

/** The place that a cursor of the list of jobs names. Throws `invalid_cursor`. */
export function decodeJobCursor(cursor: string): JobPosition {
  const match = /^j:(\d{1,16}):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(decode(cursor));
  if (match === null || !Number.isSafeInteger(Number(match[1]))) throw invalidCursor();
  return { created_us: Number(match[1]), id: match[2] as string };
}

/** The cursor of a place in the list of a job's steps. */
export function encodeStepCursor(ordinal: number): string {
  return encode(`s:${ordinal}`);
}

/** The ordinal that a cursor of a list of steps names. Throws `invalid_cursor`. */
export function decodeStepCursor(cursor: string): number {
  const match = /^s:(\d{1,9})$/.exec(decode(cursor));
  if (match === null) throw invalidCursor();
  return Number(match[1]);
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64url');
}

function decode(cursor: string): string {
  return Buffer.from(cursor, 'base64url').toString('utf8');
}

function invalidCursor(): AppError {
  return new AppError(
    'invalid_cursor',
    'this cursor was not given by this list; leave it out to start at the beginning',
  );
}
