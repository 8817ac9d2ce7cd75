import type { Problem } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { pointerTo } from '../../domain/storable.ts';
import { endOfString } from '../../domain/unsafe-numbers.ts';
import { countLines, type Place } from './body-lines.ts';

/** What the text of a JSON body says beyond its value: which keys stand in it twice, and where things stand. */

/** How many keys the objects in a short JSON text have, those that stand there twice counted twice. */
export function countKeys(text: string): number {
  let keys = 0;
  for (let quote = text.indexOf('"'); quote !== -1; ) {
    const after = skipSpace(text, endOfString(text, quote) + 1);
    if (text.charCodeAt(after) === COLON) keys++;
    quote = text.indexOf('"', after);
  }
  return keys;
}

/** What a JSON text is made of, as far as it was looked at. */
interface JsonSize {
  /** Items, members and brackets. */
  values: number;
  keys: number;
  /** As they are written, and without their quotes. */
  differentKeys: Set<string>;
  /** The most brackets that are open at once. */
  depth: number;
}

/**
 * Measures a JSON text, or what begins like one, without reading it: a few milliseconds a megabyte, where to read it may
 * take a second. Stops at the first of `most` that is passed.
 */
export function measureJson(
  text: string,
  most: { depth: number; values: number; differentKeys: number },
): JsonSize {
  const size: JsonSize = { values: 1, keys: 0, differentKeys: new Set(), depth: 0 };
  let open = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = endOfString(text, at);
      if (text.charCodeAt(skipSpace(text, end + 1)) === COLON) {
        size.keys++;
        size.differentKeys.add(text.slice(at + 1, end));
        if (size.differentKeys.size > most.differentKeys) return size;
      }
      at = end;
    } else if (code === COMMA) {
      size.values++;
    } else if (code === OPEN_LIST || code === OPEN_OBJECT) {
      size.values++;
      open++;
      if (open > size.depth) size.depth = open;
      if (open > most.depth) return size;
    } else if (code === CLOSE_LIST || code === CLOSE_OBJECT) {
      open--;
    }
    if (size.values > most.values) return size;
  }
  return size;
}

interface Holder {
  above: Holder | null;
  key: string;
  seen: Set<string> | null;
}

/** The keys that stand twice in one object, at most 100. Slow; ask only when `countKeys` says that there are some. */
export function findDuplicateKeys(text: string): Problem[] {
  const problems: Problem[] = [];
  const lineOf = text.includes('\n') ? countLines(text) : null;
  const root: Holder = { above: null, key: '', seen: null };
  walk(text, root, (holder, key, offset, isItem) => {
    const below: Holder = { above: holder, key, seen: null };
    if (isItem) return below;
    holder.seen ??= new Set();
    if (holder.seen.has(key) && problems.length < LIMITS.errorsPerProblem) {
      problems.push(duplicateKey(pointerOf(below), key, lineOf?.(offset) ?? null));
    }
    holder.seen.add(key);
    return below;
  });
  return problems;
}

/** A key that stands twice in one object, of which one value would be lost. */
export function duplicateKey(pointer: string, key: string, line: number | null): Problem {
  const shown = key.length > 60 ? `${key.slice(0, 60)}…` : key;
  const detail = `\`${shown}\` stands here twice, and one of its values would be lost; keep one`;
  return { pointer, code: 'duplicate_key', detail, ...(line === null ? {} : { line }) };
}

function pointerOf(holder: Holder): string {
  const keys: string[] = [];
  for (let at = holder; at.above !== null; at = at.above) keys.unshift(at.key);
  return keys.reduce(pointerTo, '');
}

/** Finds places in a JSON text of several lines; in one of a single line nothing is gained by it. */
export function findJsonLines(text: string, root: Place): void {
  if (!text.includes('\n')) return;
  const lineOf = countLines(text);
  root.line = lineOf(skipSpace(text, 0));
  walk<Place | null>(text, root, (holder, key, offset) => {
    const place = holder?.below.get(key) ?? null;
    if (place !== null) place.line = lineOf(offset);
    return place;
  });
}

const COLON = 58;
const COMMA = 44;
const QUOTE = 34;
const [OPEN_LIST, CLOSE_LIST] = [91, 93];
const [OPEN_OBJECT, CLOSE_OBJECT] = [123, 125];
const TOKEN = /["{}[\],]/g;

/**
 * Walks through a JSON text (one that parses), without recursion: `enter` is given what it made of the holder, the key
 * (the index of an item as text), and where the key or the item stands.
 */
function walk<Found>(
  text: string,
  root: Found,
  enter: (holder: Found, key: string, offset: number, isItem: boolean) => Found,
): void {
  const open: { found: Found; index: number | null }[] = [];
  let next = root;
  let expectsKey = false;
  const enterItem = (holder: { found: Found; index: number | null }, at: number) => {
    const offset = skipSpace(text, at);
    if (text[offset] !== ']') next = enter(holder.found, String(holder.index), offset, true);
  };
  for (let at = 0; ; ) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text);
    if (token === null) return;
    at = token.index + 1;
    const holder = open.at(-1);
    if (token[0] === '"') {
      at = endOfString(text, token.index) + 1;
      if (!expectsKey || holder === undefined) continue;
      next = enter(holder.found, JSON.parse(text.slice(token.index, at)), token.index, false);
      expectsKey = false;
    } else if (token[0] === '{' || token[0] === '[') {
      expectsKey = token[0] === '{';
      const opened = { found: next, index: expectsKey ? null : 0 };
      open.push(opened);
      if (!expectsKey) enterItem(opened, at);
    } else if (token[0] === ',' && holder !== undefined) {
      expectsKey = holder.index === null;
      if (holder.index === null) continue;
      holder.index++;
      enterItem(holder, at);
    } else {
      open.pop();
      expectsKey = false;
    }
  }
}

function skipSpace(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return at;
    at++;
  }
}
