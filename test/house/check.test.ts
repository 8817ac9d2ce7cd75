import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { CHECKS, countSeen, run } from '../../scripts/check.ts';

test.each([
  ['format and lint', 'Checked 120 files in 2s. No fixes applied.', 120],
  [
    'types',
    '/x/node_modules/pg/index.d.ts\n/x/src/main.ts\n/x/src/a/b.ts\n/x/node_modules/y/src/z.d.ts\n',
    2,
  ],
  ['types', '/x/node_modules/typescript/lib/lib.es5.d.ts\n/x/scripts/check.ts\n', 0],
  ['boundaries', '✔ no dependency violations found (139 modules, 457 dependencies cruised)', 139],
  ['boundaries', '✔ no dependency violations found (0 modules, 0 dependencies cruised)', 0],
  ['dead code', 'Looked at 0 files.', 0],
  ['tidy', 'Looked at 7 files.', 7],
  ['glossary', '', 0],
  ['OpenAPI', 'error: #/info: struct: no.\nLooked at 16 operations.', 16],
  ['OpenAPI', 'Looked at 0 operations.', 0],
])('the check of %s tells how much it saw from %j', (name, output, seen) => {
  const check = CHECKS.find((one) => one.name === name);
  expect(countSeen(output, check?.seen ?? /never/)).toBe(seen);
});

test.each([
  ['passes when all is well', 'echo Looked at 3 files', true, /^ok {4} {2}planted: looked at 3/],
  [
    'fails when its command fails, and shows what it said',
    'echo Looked at 3 files, one bad; exit 1',
    false,
    /one bad/,
  ],
  ['fails when it looked at nothing', 'echo Looked at 0 files', false, /proved nothing/],
  ['fails when its command does not start', 'no-such-program-here', false, /FAILED/],
])('a check %s', (_, command, passes, shown) => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  onTestFinished(() => log.mockRestore());
  expect(run({ name: 'planted', command, seen: /Looked at (\d+) files/ })).toBe(passes);
  expect(log.mock.calls.join('\n')).toMatch(shown);
});

test('another Node than the pinned one is told in one line what to type', () => {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-node-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  cpSync('scripts/prestart.cjs', join(root, 'scripts/prestart.cjs'));
  writeFileSync(join(root, 'main.cjs'), 'console.log("started")');
  const start = (version: string) => {
    const old = `Object.defineProperty(process, 'version', { value: '${version}' })`;
    writeFileSync(join(root, 'old.cjs'), old);
    const args = ['--require', './old.cjs', '--require', './scripts/prestart.cjs', 'main.cjs'];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
    return { status, said: stdout + stderr };
  };

  expect(start('v20.20.2')).toEqual({ status: 1, said: expect.stringMatching(/^[^\n]*`npm ci`[^\n]*\n$/) });
  mkdirSync(join(root, 'node_modules/kysely'), { recursive: true });
  expect(start('v20.20.2')).toEqual({
    status: 1,
    said: expect.stringMatching(/^[^\n]*(--ignore-scripts=false|musl)[^\n]*\n$/),
  });
  expect(start('v24.1.0')).toEqual({ status: 0, said: 'started\n' });
});
