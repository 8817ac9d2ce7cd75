import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from '../support/server-process.ts';

const PAGE = readFileSync(join(ROOT, 'docs/failure-table.md'), 'utf8');

/** The cells of every row of the page's tables, without their heads. */
const ROWS = [...PAGE.matchAll(/^\| (?!when \||---)(.+) \|$/gm)].map(([, row]) => (row ?? '').split(' | '));

it('names a test for every kind of trouble', () => {
  expect(ROWS.length).toBeGreaterThan(25);
  for (const row of ROWS) {
    expect(row).toHaveLength(4);
    const [when = '', , , test = ''] = row;
    const files = [...test.matchAll(/`([\w/-]+)`/g)].map(([, name]) => `test/${name}.test.ts`);
    expect(files.length, when).toBeGreaterThan(0);
    for (const file of files) expect(existsSync(join(ROOT, file)), `${file}, for "${when}"`).toBe(true);
  }
});
