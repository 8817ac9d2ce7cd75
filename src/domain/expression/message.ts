import { storable } from './result.ts';

export const UNCLOSED =
  '`${{` is not closed by `}}`; look at its quotes and braces, or write `$${{` for a plain `${{`';
export const ONE_EXPRESSION = 'an `if` is one expression: write it bare, or put `${{ }}` around the whole';
export const ONLY_IN_IF = '`success()`, `failure()` and `always()` can only be called in an `if`';
const SHOWN = 80;

/** One sentence that names the expression; both are cut, since either may quote data of any size. */
export function explain(source: string, detail: string): string {
  return storable(`\`${cut(source.trim(), SHOWN)}\`: ${cut(detail, 4 * SHOWN)}`);
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}…`;
}

/** An error of the language: its `message` draws the source with a marker below, its `summary` is one sentence. */
export interface LanguageError extends Error {
  code?: string;
  summary?: string;
}

export function summaryOf(error: LanguageError): string {
  return error.summary ?? error.message;
}
