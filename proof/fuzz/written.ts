/**
 * JSON as text with what `JSON.stringify` cannot write: numbers spelt oddly, members that stand there twice.
 * A value is plain JSON in which `Spelt` and `Twice` may stand for a value.
 */
export class Spelt {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** An object whose members are written in this order, the same name as often as it occurs. */
export class Members {
  readonly entries: [string, unknown][];
  constructor(entries: [string, unknown][]) {
    this.entries = entries;
  }
}

export function writeJson(value: unknown): string {
  if (value instanceof Spelt) return value.text;
  const entries = value instanceof Members ? value.entries : null;
  if (entries === null && Array.isArray(value)) return `[${value.map(writeJson).join(',')}]`;
  if (entries === null && (typeof value !== 'object' || value === null))
    return JSON.stringify(value) ?? 'null';
  const members = (entries ?? Object.entries(value as object)).filter(([, member]) => member !== undefined);
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${writeJson(member)}`).join(',')}}`;
}
