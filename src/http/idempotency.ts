import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { AppError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { giveWay } from '../operations/give-way.ts';

/** The `Idempotency-Key` of a request; undefined without one. Throws `invalid_header`. */
export function idempotencyKey(request: FastifyRequest): string | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && key.length <= LIMITS.idempotencyKeyLength && /^[\x21-\x7e]+$/.test(key))
    return key;
  const detail =
    `Idempotency-Key must be 1 to ${LIMITS.idempotencyKeyLength} visible ASCII characters without spaces; ` +
    'a UUID made by the client for each job is a good one';
  throw new AppError('invalid_header', detail);
}

/**
 * What a body says, whatever the order of its keys and its white space: sha256, as 64 hexadecimal digits. Gives way in
 * between: of the largest body this takes half a second.
 */
export async function requestHash(body: unknown, turn: () => Promise<void> = giveWay()): Promise<string> {
  const hash = createHash('sha256');
  let text = '';
  for (const piece of stablePieces(body, 2)) {
    text += piece;
    if (text.length < PORTION) continue;
    hash.update(text);
    text = '';
    await turn();
  }
  return hash.update(text).digest('hex');
}

const PORTION = 64 * 1024;

/** What a batch says, from the hashes of what its jobs say, so that no moment has to go through all of it. */
export function batchHash(hashes: readonly string[]): string {
  return createHash('sha256')
    .update(`batch\n${hashes.join('\n')}`)
    .digest('hex');
}

/** The text of `stableJson` in pieces: so many levels are taken apart, down to the steps of a job. */
function* stablePieces(value: unknown, levels: number): Generator<string> {
  if (levels === 0 || value === null || typeof value !== 'object') {
    yield stableJson(value);
    return;
  }
  const isList = Array.isArray(value);
  yield isList ? '[' : '{';
  let comma = '';
  for (const key of isList ? value.keys() : Object.keys(value).sort()) {
    yield isList ? comma : `${comma}${JSON.stringify(key)}:`;
    yield* stablePieces((value as Record<string | number, unknown>)[key], levels - 1);
    comma = ',';
  }
  yield isList ? ']' : '}';
}

// JSON with its keys in order. Recursive: bodies are at most 64 levels deep.
function stableJson(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(stableJson).join()}]`;
  const fields = value as Record<string, unknown>;
  const keys = Object.keys(fields).sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${stableJson(fields[key])}`).join()}}`;
}
