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

it('goes through the list of OWASP, and leaves out none of its items', () => {
  for (let item = 1; item <= 10; item++) expect(PAGE).toMatch(new RegExp(`API${item}\\b`));
});

it('is what the policy at the root refers to', () => {
  const policy = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8');
  for (const words of ['Reporting a vulnerability', 'Supported versions', '](docs/security.md)']) {
    expect(policy).toContain(words);
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
    `at most ${LIMITS.bodyValues.toLocaleString('en')} values and ${LIMITS.bodyKeys.toLocaleString('en')} different keys`,
    `${LIMITS.expressionsPerValue.toLocaleString('en')} expressions in a value`,
    `${LIMITS.expressionsPerJob.toLocaleString('en')} in a job`,
    `with ${LIMITS.readApartTime / 1000} s and ${LIMITS.readApartMegabytes} MB`,
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
