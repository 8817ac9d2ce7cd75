import type { YAMLParseError } from 'yaml';
import { shorten } from './body-text.ts';

/** What is wrong with a YAML text, and what to write instead. */

const CORE_TAGS = new Set(['!!str', '!!int', '!!float', '!!bool', '!!null', '!!map', '!!seq']);

/** Why a token is not taken, though it may be YAML; null for one that is. `offset` is where it stands in the text. */
export function adviseOnToken(token: string, text: string, offset: number): string | null {
  switch (token[0]) {
    case '!':
      if (CORE_TAGS.has(token)) return null;
      return `YAML takes ${quote(token)} for a tag, and there are none here; if it is meant as text, put it in quotes${example(text, offset)}`;
    case '*':
      return `YAML takes ${quote(token)} for an alias, which is not taken here; write out what it stands for, or, if it is meant as text, put it in quotes${example(text, offset)}`;
    case '&':
      return `YAML takes ${quote(token)} for an anchor, which is not taken here; leave it out and write things out where they are needed, or, if it is meant as text, put it in quotes${example(text, offset)}`;
    case '%':
      if (/^%YAML[ \t]+1\.2\s*$/.test(token)) return null;
      return `the directive ${quote(token)} is not taken; leave the line out`;
    default:
      return null;
  }
}

/** What the library says is wrong, with a way out of it where one is known. */
export function adviseOnError({ code, message, pos }: YAMLParseError, text: string): string {
  const known = WAYS_OUT.find(([sign]) => (typeof sign === 'string' ? sign === code : sign.test(message)));
  const said = known?.[1] ?? lowerFirst(shorten(message.replaceAll(/\s+/g, ' '), 160));
  const advice = said.replace('{}', text[pos[0]] ?? '');
  if (QUOTES_SAID.has(code) || !lineAround(text, pos[0]).includes('{{')) return advice;
  return `${advice}${advice.endsWith('?') ? '' : '.'} Put a value that holds an expression in quotes: "\${{ … }}"`;
}

/** By the library's code or its sentence, the first that fits; `{}` stands for the character at which it stopped. */
const WAYS_OUT: readonly [YAMLParseError['code'] | RegExp, string][] = [
  ['TAB_AS_INDENT', 'a tab cannot indent in YAML; use spaces'],
  ['BAD_SCALAR_START', 'a value cannot begin with {}; put it in quotes'],
  [
    'BAD_DQ_ESCAPE',
    'this backslash begins no escape that YAML knows; write two of them, or put the text in single quotes',
  ],
  ['NON_STRING_KEY', 'a key must be text, not a list or a map'],
  ['KEY_OVER_1024_CHARS', 'a key is longer than 1,024 characters; is a quote or a line break missing?'],
  ['BAD_DIRECTIVE', 'a line that begins with % is a directive, and none is taken; leave it out'],
  [
    'BLOCK_AS_IMPLICIT_KEY',
    'this value goes on as if it were a key: put one that holds a colon and a space in quotes, as in ' +
      '`run: "echo a: b"`, and begin the fields of one map, or the items of one list, in the same column',
  ],
  [
    /^Implicit (map )?keys need/,
    'this line has no colon and space after its key; write `key: value`, and indent what goes on over several lines',
  ],
  [/^Unexpected flow-(map|seq)-end/, 'this bracket closes nothing that is open'],
  [/^Missing closing/, 'a quote is opened and never closed'],
  [
    /^All (mapping|collection) items/,
    'the fields of one map, and the items of one list, begin in the same column',
  ],
  [/must (be sufficiently indented and )?end with/, 'a bracket is opened and not closed before here'],
  [
    /at node end$/,
    'the value ended before this, and yet something follows; is a quote, a comma or a bracket missing or too many?',
  ],
];

// Their sentences say it already.
const QUOTES_SAID = new Set<string>(['TAB_AS_INDENT', 'BAD_SCALAR_START', 'BAD_DQ_ESCAPE']);

/** `: write \`if: "!failure()"\``, where the value is short enough to be shown. */
function example(text: string, offset: number): string {
  const line = lineAround(text, offset);
  const column = offset - text.lastIndexOf('\n', offset - 1) - 1;
  const key = /([\w-]+:|-)[ \t]+$/.exec(line.slice(0, column))?.[1];
  const value = line
    .slice(column)
    .replace(/\s+#.*$/, '')
    .trim();
  if (key === undefined || value.length > 60 || /[[\]{},]/.test(line.slice(0, column))) return '';
  return `: \`${key} ${JSON.stringify(value)}\``;
}

function lineAround(text: string, offset: number): string {
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const end = text.indexOf('\n', offset);
  return text.slice(start, Math.min(end === -1 ? text.length : end, start + 2000)).replace(/\r$/, '');
}

function quote(token: string): string {
  return `\`${shorten(token, 40)}\``;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
