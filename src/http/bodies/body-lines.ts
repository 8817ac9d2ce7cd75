/**
 * The lines on which the places that JSON pointers name stand in a text. What is asked for is kept as a tree, so that
 * one walk through the text finds all of them and looks nowhere else.
 */
export interface Place {
  /** From 1; null while it was not found. */
  line: number | null;
  below: Map<string, Place>;
}

/** The tree of the places that pointers (RFC 6901) name, the whole text at its root. */
export function placesOf(pointers: readonly string[]): Place {
  const root: Place = { line: null, below: new Map() };
  for (const pointer of pointers) {
    let place = root;
    for (const key of keysOf(pointer)) {
      const next = place.below.get(key) ?? { line: null, below: new Map() };
      place.below.set(key, next);
      place = next;
    }
  }
  return root;
}

/** The line of what a pointer names; of what holds it, where it is not there; null when nothing was found. */
export function lineAt(root: Place, pointer: string): number | null {
  let [line, place]: [number | null, Place | undefined] = [root.line, root];
  for (const key of keysOf(pointer)) {
    place = place.below.get(key);
    if (place === undefined || place.line === null) break;
    line = place.line;
  }
  return line;
}

/** Gives the line of an offset in a text; offsets must not go back, so that the text is looked through once. */
export function countLines(text: string): (offset: number) => number {
  let line = 1;
  let next = text.indexOf('\n');
  return (offset) => {
    while (next !== -1 && next < offset) {
      line++;
      next = text.indexOf('\n', next + 1);
    }
    return line;
  };
}

function keysOf(pointer: string): string[] {
  const keys = pointer.split('/').slice(1);
  return keys.map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
}
