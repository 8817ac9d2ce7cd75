import { AppError } from '../domain/errors.ts';
import type { JobPosition } from '../repositories/read-jobs.ts';
import type { WorkerPosition } from '../repositories/read-workers.ts';

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

/** The cursor of a place in the list of workers. */
export function encodeWorkerCursor({ gone, started_us, id }: WorkerPosition): string {
  return encode(`w:${gone ? 1 : 0}:${started_us}:${id}`);
}

/** The place that a cursor of the list of workers names. Throws `invalid_cursor`. */
export function decodeWorkerCursor(cursor: string): WorkerPosition {
  const match = /^w:([01]):(\d{1,16}):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(decode(cursor));
  if (match === null || !Number.isSafeInteger(Number(match[2]))) throw invalidCursor();
  return { gone: match[1] === '1', started_us: Number(match[2]), id: match[3] as string };
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
