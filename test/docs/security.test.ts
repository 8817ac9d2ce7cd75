import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LIMITS, PATIENCE } from '../../src/domain/limits.ts';
import { ROOT } from '../support/server-process.ts';

const PAGE = readFileSync(join(ROOT, 'docs/security.md'), 'utf8');

it('names a test for everything that is said to be checked', () => {
  const rows = [...PAGE.matchAll(/^\| (?!against \||---)(.+) \|$/gm)].map(([, row]) =>
    (row ?? '').split(' | '),
  );
  expect(rows.length).toBeGreaterThan(8);
  for (const row of rows) {
    expect(row).toHaveLength(3);
    const files = [...(row[2] ?? '').matchAll(/`([\w/-]+)`/g)].map(([, name]) => `test/${name}.test.ts`);
    expect(files.length, row[0]).toBeGreaterThan(0);
    for (const file of files) expect(existsSync(join(ROOT, file)), file).toBe(true);
  }
});

it('says the limits as they are', () => {
  const seconds = (milliseconds: number) => `${milliseconds / 1000} s`;
  const mib = (bytes: number) => `${bytes / 1024 / 1024} MiB`;
  for (const words of [
    `${LIMITS.headerBytes / 1024} KiB and ${LIMITS.headerCount} headers in the head`,
    `${mib(LIMITS.submitBodyBytes)} in a job`,
    `${mib(LIMITS.bodyBytes)} in other bodies`,
    `${LIMITS.jsonDepth} levels`,
    `must be there in ${seconds(PATIENCE.head)}`,
    `all of it in ${PATIENCE.request / 60_000} min`,
    `${seconds(PATIENCE.stall)} without a byte`,
    `${LIMITS.connections.toLocaleString('en')} connections`,
    `they get ${seconds(PATIENCE.close)} more`,
    `idle connections\n  for ${seconds(PATIENCE.keepAlive)}`,
  ]) {
    expect(PAGE).toContain(words);
  }
});
