import type { Json } from '../../domain/json.ts';
import { findOutputFault, makeTextStorable } from '../../domain/storable.ts';
import { findUnsafeNumbers } from '../../domain/unsafe-numbers.ts';
import type { OutboundAnswer } from '../../outbound/outbound.ts';

const JSON_TYPE = /^[\w.+-]+\/([\w.-]+\+)?json\s*(;|$)/i;

export type HttpOutput = {
  status: number;
  headers: Record<string, string | string[]>;
  body: Json;
  body_encoding?: 'base64';
};

/**
 * The output of a step: `body` parsed where the type is JSON, as text where it is UTF-8, else as base64, which
 * `body_encoding` then says; null when there is none. Null instead of an output that is too large to be one; `note`
 * says why JSON was kept as text.
 */
export function buildOutput(answer: OutboundAnswer): { output: HttpOutput | null; note: string | null } {
  const head = { status: answer.status, headers: joinHeaders(answer.headers) };
  const fits = (output: HttpOutput) => (findOutputFault(output) === null ? output : null);
  if (answer.body.length === 0) return { output: fits({ ...head, body: null }), note: null };
  const text = decode(answer.body);
  if (text === null) {
    const body = answer.body.toString('base64');
    return { output: fits({ ...head, body, body_encoding: 'base64' }), note: null };
  }
  if (!JSON_TYPE.test([answer.headers['content-type'] ?? ''].flat().join())) {
    return { output: fits({ ...head, body: text }), note: null };
  }
  const parsed = parse(text);
  const asJson = parsed.note === null ? fits({ ...head, body: parsed.value }) : null;
  if (asJson !== null) return { output: asJson, note: null };
  // JSON that is too deep to be kept is still a text; one that is too large is too large as text too.
  const note = parsed.note ?? 'is nested too deep or holds numbers that are too large';
  return { output: fits({ ...head, body: text }), note };
}

/** Headers with one text each, several joined as HTTP allows; only `set-cookie`, which may hold commas, stays a list. */
function joinHeaders(headers: OutboundAnswer['headers']): HttpOutput['headers'] {
  const joined = Object.entries(headers).map(([name, value]): [string, string | string[]] =>
    name === 'set-cookie' ? [name, [value].flat()] : [name, [value].flat().join(', ')],
  );
  return Object.fromEntries(joined);
}

/** The start of a body as text, for the error of a step. */
export function startOf(body: Buffer, bytes: number): string {
  // A character that is cut in two is left out.
  return makeTextStorable(new TextDecoder().decode(body.subarray(0, bytes), { stream: true }));
}

/** UTF-8 without U+0000, which cannot be stored as text; null for other bytes. */
function decode(body: Buffer): string | null {
  if (body.includes(0)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return null;
  }
}

function parse(text: string): { value: Json; note: string | null } {
  try {
    const value = JSON.parse(text) as Json;
    const unsafe = findUnsafeNumbers(text)[0];
    if (unsafe === undefined) return { value, note: null };
    // It would arrive changed, and nobody would know.
    return { value: null, note: `holds a number that would not be kept as it is (at "${unsafe.pointer}")` };
  } catch {
    return { value: null, note: 'cannot be parsed' };
  }
}
