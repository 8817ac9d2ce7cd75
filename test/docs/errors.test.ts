import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { parseFolder, readTree, walk } from '../../scripts/check-tree.ts';
import { ROOT } from '../support/server-process.ts';

const PAGE = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

/** Codes in the first column of the page's tables. */
const explained = [...PAGE.matchAll(/^\| ((`\w+`(, )?)+) \|/gm)].flatMap(([, cell]) =>
  (cell ?? '').split(', ').map((code) => code.slice(1, -1)),
);

// What keeps a step from running has a code and a message too and is no error; the other one is a worker's own.
const NO_ERRORS = ['src/domain/blocked-by.ts', 'src/contract/example-claim.ts'];
// A script that is stopped: the attempt then ends as timed out, released or lost, and nobody sees this code.
const UNSEEN = ['aborted'];

/** The codes of all errors that are made in the sources: objects with a `code` and a `message`. */
function codesMade(): Set<string> {
  const codes = new Set<string>();
  for (const source of parseFolder(readTree(ROOT), 'src/')) {
    if (NO_ERRORS.includes(source.fileName)) continue;
    walk(source, (node) => {
      if (!ts.isObjectLiteralExpression(node)) return;
      const named = new Map(node.properties.map((property) => [property.name?.getText(), property]));
      const code = named.get('code');
      if (!named.has('message') || code === undefined || !ts.isPropertyAssignment(code)) return;
      for (const text of textsIn(code.initializer)) codes.add(text);
    });
  }
  return codes;
}

function textsIn(expression: ts.Expression): string[] {
  if (ts.isStringLiteral(expression)) return [expression.text];
  if (ts.isConditionalExpression(expression))
    return [...textsIn(expression.whenTrue), ...textsIn(expression.whenFalse)];
  return [];
}

it('explains every code that the error of a step or of a job can have, and no other', () => {
  const made = codesMade();
  expect(made.size).toBeGreaterThan(8);
  expect([...made].filter((code) => !explained.includes(code) && !UNSEEN.includes(code))).toEqual([]);
  expect(explained.filter((code) => !made.has(code))).toEqual([]);
});
