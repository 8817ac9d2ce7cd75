import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { UsageError } from './trouble.ts';

export const FORMATS = ['json', 'yaml', 'toml'] as const;
export type Format = (typeof FORMATS)[number];

const BY_EXTENSION: Record<string, Format> = {
  '.json': 'json',
  '.yaml': 'yaml',
  '.yml': 'yaml',
  '.toml': 'toml',
};

/** A job as somebody wrote it, for the server to read. */
export interface DefinitionText {
  body: string;
  contentType: string;
}

/** Reads a file, or standard input for `-`. Throws a UsageError that says what stands in the way. */
export async function readDefinitionFile(path: string, format?: Format): Promise<DefinitionText> {
  const body = await readText(path);
  if (body.trim() === '') throw new UsageError(`${named(path)} is empty; it should hold a job`);
  const chosen = format ?? BY_EXTENSION[extname(path).toLowerCase()] ?? guessFormat(body);
  return { body, contentType: `application/${chosen}` };
}

async function readText(path: string): Promise<string> {
  if (path === '-' && process.stdin.isTTY) process.stderr.write('Type the job, then Ctrl-D.\n');
  const bytes =
    path === '-' ? await buffer(process.stdin) : await readFile(path).catch((error) => refuse(path, error));
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(`${named(path)} is not text in UTF-8`);
  }
}

function refuse(path: string, error: NodeJS.ErrnoException): never {
  if (error.code === 'ENOENT') throw new UsageError(`there is no file ${path}`);
  if (error.code === 'EISDIR') throw new UsageError(`${path} is a folder; name a file`);
  throw new UsageError(`${path} cannot be read: ${error.message}`);
}

function named(path: string): string {
  return path === '-' ? 'standard input' : path;
}

/** By the first line that says something. A job is an object, so a list in brackets can only be a table of TOML. */
export function guessFormat(text: string): Format {
  const lines = text.split('\n').map((line) => line.trim());
  const first = lines.find((line) => line !== '' && !line.startsWith('#')) ?? '';
  if (/^\{\s*("|\}|$)/.test(first)) return 'json';
  if (/^\[/.test(first) || /^[\w."' -]+=/.test(first)) return 'toml';
  return 'yaml';
}
