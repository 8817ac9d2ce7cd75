import type { Json } from '../../domain/json.ts';
import { LIMITS } from '../../domain/limits.ts';
import { findUnsafeNumbers } from '../../domain/unsafe-numbers.ts';

/** The last bytes of a stream, however long the stream is. */
export interface Tail {
  push(chunk: Uint8Array): void;
  /** What is kept, as text: invalid UTF-8 and NUL become U+FFFD. */
  text(): string;
  /** Bytes of the stream that are not kept. */
  dropped(): number;
}

export function createTail(limit: number): Tail {
  let chunks: Uint8Array[] = [];
  let kept = 0;
  let total = 0;
  return {
    push(chunk) {
      total += chunk.length;
      const piece = chunk.length > limit ? chunk.subarray(chunk.length - limit) : chunk;
      chunks.push(piece);
      kept += piece.length;
      // Joined now and then, because a stream of single bytes would cost a hundred times its length.
      if (chunks.length < 256 && kept <= 2 * limit) return;
      const joined = Buffer.concat(chunks);
      chunks = [Buffer.from(joined.subarray(Math.max(0, joined.length - limit)))];
      kept = chunks[0]?.length ?? 0;
    },
    text() {
      const joined = Buffer.concat(chunks);
      let start = Math.max(0, joined.length - limit);
      // Not in the middle of a character.
      if (total > limit) while (((joined[start] ?? 0) & 0xc0) === 0x80) start += 1;
      return withoutNul(new TextDecoder('utf-8', { ignoreBOM: true }).decode(joined.subarray(start)));
    },
    dropped: () => Math.max(0, total - limit),
  };
}

/** Turns a stream's chunks into text; a character cut by a chunk's end comes with the next one. */
export function createDecoder(): { decode(chunk: Uint8Array): string; end(): string } {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    decode: (chunk) => withoutNul(decoder.decode(chunk, { stream: true })),
    end: () => decoder.decode(),
  };
}

function withoutNul(text: string): string {
  return text.includes('\0') ? text.replaceAll('\0', '\uFFFD') : text;
}

export interface ShellOutput {
  output: { exit_code: number; stdout: string; json: Json };
  /** Whether `stdout` is only the end of what was written; it then starts with a line that says so. */
  cut: boolean;
}

/**
 * The output of a script that succeeded. It stays within the limit of one output: `json` is kept whole where
 * it fits, `stdout` keeps its end, since a script that says much mostly says what matters last.
 */
export function buildOutput(exitCode: number, tail: Tail): ShellOutput {
  const text = tail.text().replace(/\n$/, '');
  const json = tail.dropped() > 0 ? null : parseJson(text);
  const whole = { exit_code: exitCode, stdout: text, json };
  if (tail.dropped() === 0 && jsonBytes(whole) <= LIMITS.valueBytes) return { output: whole, cut: false };
  const mark = `[only the end of stdout is kept here; an output is at most ${LIMITS.valueBytes} bytes]\n`;
  const room = (value: Json) =>
    LIMITS.valueBytes - jsonBytes({ exit_code: exitCode, stdout: mark, json: value });
  const kept = room(json) >= 0 ? json : null;
  return {
    output: { exit_code: exitCode, stdout: mark + endWithin(text, room(kept)), json: kept },
    cut: true,
  };
}

function parseJson(text: string): Json {
  try {
    const value = JSON.parse(text) as Json;
    // A number that a double cannot hold would arrive changed: then it is only text.
    return findUnsafeNumbers(text).length > 0 ? null : value;
  } catch {
    return null;
  }
}

/** The longest end of a text that takes at most `budget` bytes inside a JSON string. */
function endWithin(text: string, budget: number): string {
  let low = 0;
  let high = text.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (jsonBytes(text.slice(middle)) - 2 <= budget) high = middle;
    else low = middle + 1;
  }
  const code = text.charCodeAt(low);
  return text.slice(code >= 0xdc00 && code <= 0xdfff ? low + 1 : low);
}

function jsonBytes(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value));
}
