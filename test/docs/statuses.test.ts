import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { parseFolder, readTree, walk } from '../../scripts/check-tree.ts';
import { Attempt } from '../../src/contract/step.ts';
import { BLOCKED_BY_CODES } from '../../src/domain/blocked-by.ts';
import { JOB_MOVES, JOB_STATUSES } from '../../src/domain/job-status.ts';
import { STEP_MOVES, STEP_STATUSES } from '../../src/domain/step-status.ts';
import { ROOT } from '../support/server-process.ts';

const page = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8');
const STATUSES = page('statuses.md');

/** The part of the page under a heading, up to the next one. */
function section(heading: string): string {
  const [, text = ''] = STATUSES.split(`\n${heading}\n`);
  return text.split(/^#/m)[0] as string;
}

/** What stands between backquotes in one column of a section's table. */
function column(heading: string, index: number): string[] {
  const rows = section(heading)
    .split('\n')
    .filter((line) => line.startsWith('| '));
  return rows.flatMap((row) =>
    [...(row.split('|')[index + 1] ?? '').matchAll(/`([^`]+)`/g)].map(([, word]) => word ?? ''),
  );
}

describe('the page of statuses', () => {
  it('explains every status of jobs and steps, and no other', () => {
    expect(column('## Jobs', 0)).toEqual([...JOB_STATUSES]);
    expect(column('## Steps', 0)).toEqual([...STEP_STATUSES]);
  });

  it.each([
    ['a job', JOB_MOVES],
    ['a step', STEP_MOVES],
  ])(
    'lists every move of %s with its cause',
    (what, moves: Record<string, Partial<Record<string, string>>>) => {
      const rows = Object.entries(moves).flatMap(([from, targets]) =>
        Object.entries(targets).map(([to, cause]) => `| \`${from}\` | \`${to}\` | ${cause} |`),
      );
      const found = section(`### What moves ${what}`)
        .split('\n')
        .filter((line) => line.startsWith('| `'));
      expect(found).toEqual(rows);
    },
  );

  it('explains every `blocked_by`, and no other', () => {
    expect(column('## `blocked_by`', 0)).toEqual([...BLOCKED_BY_CODES]);
  });

  it('explains every outcome of an attempt, and no other', () => {
    const { enum: outcomes } = Attempt.properties.outcome as unknown as { enum: (string | null)[] };
    expect(column('## How an attempt ended', 0).sort()).toEqual(
      outcomes.filter((name) => name !== null).sort(),
    );
  });

  // The moves are the only place that gives reasons, so each word in them must be a status, a reason, an outcome or a
  // code that one of the pages explains.
  it('explains every reason that a move gives, and no other', () => {
    const given = wordsOf('src/domain/moves/');
    expect(given.size).toBeGreaterThan(20);
    const explained = new Set(
      [...`${STATUSES}${page('errors.md')}`.matchAll(/`([^`\n]+)`/g)].map(([, word]) => word ?? ''),
    );
    // How an attempt may be parked: seen as the status waiting.
    const INSIDE = ['parked'];
    expect([...given].filter((word) => !explained.has(word) && !INSIDE.includes(word))).toEqual([]);

    const reasons = [...column('### Reasons of a job', 1), ...column('### Reasons of a step', 1)];
    expect(reasons.filter((reason) => !given.has(reason) && reason !== 'error')).toEqual([]);
  });
});

/** Every string in the sources of a folder that is a word of the wire, or a reason in words. */
function wordsOf(folder: string): Set<string> {
  const words = new Set<string>();
  for (const source of parseFolder(readTree(ROOT), folder)) {
    walk(source, (node) => {
      if (ts.isImportDeclaration(node) || ts.isTypeNode(node)) return false;
      if (ts.isStringLiteral(node) && /^[a-z_]+( by hand)?$/.test(node.text)) words.add(node.text);
      return true;
    });
  }
  return words;
}
