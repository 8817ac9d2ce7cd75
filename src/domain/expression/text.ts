/** Where expressions stand in strings: `${{ expression }}`, and `$${{` for a `${{` that is meant as it is. */

const OPEN = '${{';

export type Part = { text: string } | { source: string };

/** Whether a string needs splitting at all; most do not, and this is the quick way to know. */
export function mayHoldExpression(text: string): boolean {
  return text.includes(OPEN);
}

/** The end of a string literal of CEL that starts at `from`, or -1 when it is not closed. */
function skipLiteral(text: string, from: number): number {
  const quote = text.charAt(from);
  const close = text.startsWith(quote.repeat(3), from) ? quote.repeat(3) : quote;
  for (let i = from + close.length; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text.startsWith(close, i)) return i + close.length;
  }
  return -1;
}

/** Where the `}}` stands that closes an expression, not one inside a string or an object; -1 for none. */
function findClose(text: string, from: number): number {
  let braces = 0;
  for (let i = from; i < text.length; i++) {
    const char = text[i];
    if (char === '"' || char === "'") {
      const end = skipLiteral(text, i);
      if (end < 0) return -1;
      i = end - 1;
    } else if (char === '{') braces++;
    else if (char === '}' && braces > 0) braces--;
    else if (char === '}' && text[i + 1] === '}') return i;
  }
  return -1;
}

/**
 * Splits a string into text and expressions.
 * @returns the parts in order, or undefined when a `${{` is not closed
 */
export function splitText(text: string): Part[] | undefined {
  const parts: Part[] = [];
  let pending = '';
  let at = 0;
  for (let open = text.indexOf(OPEN); open >= 0; open = text.indexOf(OPEN, at)) {
    if (open > at && text[open - 1] === '$') {
      pending += text.slice(at, open - 1) + OPEN;
      at = open + OPEN.length;
      continue;
    }
    const close = findClose(text, open + OPEN.length);
    if (close < 0) return undefined;
    pending += text.slice(at, open);
    if (pending) parts.push({ text: pending });
    pending = '';
    parts.push({ source: text.slice(open + OPEN.length, close).trim() });
    at = close + 2;
  }
  pending += text.slice(at);
  if (pending) parts.push({ text: pending });
  return parts;
}

/** The expression of a string that is one whole expression, white space around it aside. */
export function wholeExpression(parts: Part[]): string | undefined {
  let source: string | undefined;
  for (const part of parts) {
    if ('text' in part) {
      if (part.text.trim()) return undefined;
    } else if (source !== undefined) return undefined;
    else source = part.source;
  }
  return source;
}

/** The expression of an `if`, which may be bare or wrapped as a whole; undefined when it is neither. */
export function conditionSource(source: string): string | undefined {
  const trimmed = source.trim();
  if (!trimmed.startsWith('${{')) return trimmed;
  const parts = splitText(trimmed);
  return parts && wholeExpression(parts);
}
