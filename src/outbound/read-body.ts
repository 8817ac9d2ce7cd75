import { pipeline, type Readable, type Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

/** The codings that are undone. `deflate` is the zlib format that the standard means by it. */
const DECODERS: Readonly<Record<string, () => Transform>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/** Bytes that a coding may hold back or waste. */
const SLACK = 256 * 1024;

/** What to ask for in `accept-encoding`. */
export const ACCEPTED_ENCODINGS = 'gzip, deflate, br';

export interface Body {
  bytes: Buffer;
  /** There was more than fits. */
  cut: boolean;
  /** Whether `content-encoding` was undone. */
  decoded: boolean;
}

/**
 * Reads a body up to `limit` bytes, counted after decompression, and lets the rest go unread, so that a small answer
 * that unpacks to a large one costs no more than another. Several codings on top of each other are left as they are.
 */
export async function readBody(source: Readable, encoding: string, limit: number): Promise<Body> {
  const name = encoding.trim().toLowerCase();
  const decoder = Object.hasOwn(DECODERS, name) ? DECODERS[name]?.() : undefined;
  // A coding may also take much and give nothing: what comes in is counted too.
  const input = { bytes: 0 };
  const stream = decoder ? pipeline(source, counted(input, limit + SLACK), decoder, () => {}) : source;
  const chunks: Buffer[] = [];
  let total = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      total += chunk.length;
      if (total > limit) break;
    }
  } catch (error) {
    // Of no body at all decoders say that it ended too early.
    if ((error as NodeJS.ErrnoException).code !== 'Z_BUF_ERROR' || input.bytes > 0) throw error;
  }
  // The end of the loop has told the connection too.
  const bytes = Buffer.concat(chunks).subarray(0, limit);
  return { bytes, cut: total > limit, decoded: decoder !== undefined };
}

/** More than that has come in, and less has come out: no honest answer does that. */
export class TooMuchInput extends Error {
  override readonly name = 'TooMuchInput';
}

function counted(
  input: { bytes: number },
  limit: number,
): (source: AsyncIterable<Buffer>) => AsyncGenerator<Buffer> {
  return async function* count(source) {
    for await (const chunk of source) {
      input.bytes += chunk.length;
      if (input.bytes > limit) throw new TooMuchInput(`more than ${limit} bytes came in`);
      yield chunk;
    }
  };
}
