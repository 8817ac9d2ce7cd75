import { parse, TomlDate, TomlError } from 'smol-toml';
import { AppError, type Problem } from '../../domain/errors.ts';
import type { Json, JsonObject } from '../../domain/json.ts';
import { LIMITS } from '../../domain/limits.ts';
import { pointerTo } from '../../domain/storable.ts';
import {
  countParts,
  inspectValue,
  refuseProblems,
  shorten,
  tooManyParts,
  unsafeNumber,
} from './body-text.ts';

/**
 * The value of a TOML text; its dates and times become RFC 3339 text. Throws `invalid_toml` with the place of the
 * mistake, or `invalid_body` for a value that would not arrive as it was meant.
 */
export async function parseToml(text: string): Promise<unknown> {
  if (text.trim() === '') throw new AppError('invalid_toml', 'the body is empty; send a job definition');
  const value = parseTables(text);
  if (mayHoldImpossibleDate(text)) await refuseImpossibleDate(text);
  const problems: Problem[] = [];
  inspectValue(value, problems);
  // What is too deep is refused before anything recurses into it.
  refuseProblems(problems);
  const { values, differentKeys } = countParts(value);
  refuseProblems(tooManyParts(values, differentKeys));
  const converted = convert(value, [], problems);
  refuseProblems(problems);
  return converted;
}

/** Whether something looks like a day that does not exist, in a value or in a text. */
function mayHoldImpossibleDate(text: string): boolean {
  const dates = /\b(\d{4})-(\d\d)-(\d\d)/g;
  for (let found = dates.exec(text); found !== null; found = dates.exec(text)) {
    const [year, month, day] = found.slice(1).map(Number) as [number, number, number];
    if (new Date(Date.UTC(year, month - 1, day)).getUTCDate() !== day) return true;
  }
  return false;
}

/** The library that reads takes the 30th of February for the 2nd of March; the one that knows places refuses it. */
async function refuseImpossibleDate(text: string): Promise<void> {
  const { findImpossibleDate } = await import('./toml-lines.ts');
  const line = findImpossibleDate(text);
  if (line === null) return;
  const detail = 'there is no such day; correct the date, or put it in quotes if it is meant as text';
  const problem = { pointer: '', code: 'invalid_toml', detail, line };
  throw new AppError('invalid_toml', `the body is not TOML: line ${line}: ${detail}`, [problem]);
}

function parseTables(text: string): unknown {
  try {
    return parse(text, { integersAsBigInt: 'asNeeded', maxDepth: LIMITS.jsonDepth * 2 });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const { line, column } = error;
    const detail = advise(error, text.split('\n', line)[line - 1] ?? '');
    const problem = { pointer: '', code: 'invalid_toml', detail, line };
    throw new AppError('invalid_toml', `the body is not TOML: line ${line}, column ${column}: ${detail}`, [
      problem,
    ]);
  }
}

function advise({ message }: TomlError, line: string): string {
  const said = shorten((message.split('\n')[0] as string).replace(/^Invalid TOML document: /, ''), 160);
  if (said === 'invalid value') return 'this is no value; put text in quotes';
  if (said.startsWith('trying to redefine')) {
    return 'this key or table stands here a second time; keep one. A further step begins with [[steps]], in two brackets';
  }
  if (/^\s*[{[]\s*"|^\s*[\w-]+\s*:(\s|$)/.test(line)) {
    return `${said}; this looks like ${/^\s*[{[]/.test(line) ? 'JSON' : 'YAML'}: is the content type right?`;
  }
  return said.replace(/\.? aborting\.$/, '');
}

// Recursive: what is deeper than 64 levels was refused. The library's tables have no prototype; ours are plain. `path` is
// where the value stands, made into a pointer only for what is wrong: a manifest has a hundred thousand values.
function convert(value: unknown, path: (string | number)[], problems: Problem[]): Json {
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))) {
    const literal = String(value).replace('Infinity', 'inf').replace('NaN', 'nan');
    problems.push(unsafeNumber(path.reduce<string>(pointerTo, ''), literal));
    return null;
  }
  if (value === null || typeof value !== 'object') return value as Json;
  if (value instanceof TomlDate) return value.toISOString();
  if (Array.isArray(value)) return value.map((item, index) => convertAt(index, item, path, problems));
  const plain: JsonObject = {};
  for (const [key, below] of Object.entries(value)) plain[key] = convertAt(key, below, path, problems);
  return plain;
}

function convertAt(
  key: string | number,
  value: unknown,
  path: (string | number)[],
  problems: Problem[],
): Json {
  path.push(key);
  const converted = convert(value, path, problems);
  path.pop();
  return converted;
}
