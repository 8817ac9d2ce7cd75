import { type AST, ParseError, parseTOML } from 'toml-eslint-parser';
import type { Place } from './body-lines.ts';

/**
 * Finds places in a TOML text that was read before. By another library than the one that reads: that one is quick
 * and forgets where things stood, this one takes half a second a megabyte.
 */
export function findTomlLines(text: string, root: Place): void {
  root.line = 1;
  const [top] = parseTOML(text).body;
  for (const item of top.body) {
    const { line } = item.loc.start;
    if (item.type === 'TOMLKeyValue') findEntry(item, root);
    else {
      const place = reach(root, item.resolvedKey, line);
      if (place !== null) for (const entry of item.body) findEntry(entry, place);
    }
  }
}

function findEntry({ key, value, loc }: AST.TOMLKeyValue, holder: Place): void {
  const names = key.keys.map((part) => (part.type === 'TOMLBare' ? part.name : part.value));
  const place = reach(holder, names, loc.start.line);
  if (place !== null) findBelow(value, place);
}

function findBelow(node: AST.TOMLContentNode, place: Place): void {
  if (place.below.size === 0) return;
  if (node.type === 'TOMLInlineTable') {
    for (const entry of node.body) findEntry(entry, place);
  } else if (node.type === 'TOMLArray') {
    for (const [index, item] of node.elements.entries()) {
      const below = reach(place, [index], item.loc.start.line);
      if (below !== null) findBelow(item, below);
    }
  }
}

/** The place that keys lead to, each on the way found where it stood first; null where nobody asks for it. */
function reach(from: Place, keys: readonly (string | number)[], line: number): Place | null {
  let place = from;
  for (const key of keys) {
    const next = place.below.get(String(key));
    if (next === undefined) return null;
    next.line ??= line;
    place = next;
  }
  return place;
}

/** The line of the first date of a readable TOML text that does not exist; null when each does. */
export function findImpossibleDate(text: string): number | null {
  try {
    parseTOML(text);
    return null;
  } catch (error) {
    // Whatever else the two libraries may not agree on is none of this.
    if (error instanceof ParseError && /date/.test(error.message)) return error.lineNumber;
    return null;
  }
}
