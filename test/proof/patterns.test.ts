import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { ROOT } from '../support/server-process.ts';

const LENGTH = 8 * 1024;
/** What patterns are made of, so that each finds what it nearly matches, again and again. */
const SEEDS = [
  ...[
    'a',
    '1',
    '0',
    '.',
    ' ',
    '-',
    '{',
    '[',
    '"',
    "'",
    '`',
    '/',
    '\\',
    ':',
    ',',
    '#',
    '%',
    '_',
    '@',
    '=',
    '\t',
  ],
  ...[
    '${{',
    'a.',
    '1.',
    'a ',
    ',"',
    'a-',
    'A/',
    'W/"',
    '1e',
    '1d',
    'a: ',
    '\n',
    '--',
    '%YAML ',
    '\u001b[1;',
    '0x',
  ],
];
const ENDS = ['', '!', '\n\0', '\u{1f600}'];

/** Those that see short texts alone, or what only the operator writes: all of a file, or one pattern of it. */
const EXCUSED: Record<string, string> = {
  'src/config.ts: /\\/\\/.*@/': 'a setting',
  'client/src/transport.ts: /\\/+$/': 'the address of a server, as the program that calls it gives it',
  'src/domain/expression/result.ts: /0+$/': 'nine digits',
  'src/http/bodies/yaml-advice.ts': 'a line, of which 2,000 characters are looked at',
  'src/database/embedded/cluster.ts': 'what initdb says',
  'src/database/embedded/pid-file.ts': 'a file of Postgres',
  'src/database/migrations.ts': 'our own migrations',
  'src/cli/action-folder.ts': 'the stack of an error of a file that runs here',
};

function literals(): { file: string; pattern: string; flags: string }[] {
  const found: { file: string; pattern: string; flags: string }[] = [];
  for (const folder of ['src', 'client/src']) {
    for (const name of readdirSync(join(ROOT, folder), { recursive: true }) as string[]) {
      if (!name.endsWith('.ts')) continue;
      const file = join(folder, name);
      const source = ts.createSourceFile(
        file,
        readFileSync(join(ROOT, file), 'utf8'),
        ts.ScriptTarget.Latest,
      );
      const visit = (node: ts.Node) => {
        if (ts.isRegularExpressionLiteral(node)) {
          const end = node.text.lastIndexOf('/');
          found.push({ file, pattern: node.text.slice(1, end), flags: node.text.slice(end + 1) });
        }
        ts.forEachChild(node, visit);
      };
      visit(source);
    }
  }
  return found;
}

/** The quickest of three: what else the machine does makes it slower, never quicker. */
function quickest(run: () => void): number {
  const times = [0, 1, 2].map(() => {
    const before = performance.now();
    run();
    return performance.now() - before;
  });
  return Math.min(...times);
}

/** The seeds for which a pattern takes far longer than one that reads the text once. */
function slowFor(pattern: RegExp): string[] {
  const slow: string[] = [];
  for (const seed of SEEDS) {
    for (const end of ENDS) {
      const text = seed.repeat(LENGTH / seed.length) + end;
      const once = quickest(() => /^(?:[^\uffff])*$/u.test(text));
      const all = () => {
        pattern.lastIndex = 0;
        text.replace(pattern, '');
      };
      // To grow with the square of the length would be a thousand times as much.
      const start = performance.now();
      all();
      if (performance.now() - start > 100 * once && quickest(all) > 100 * once + 5) slow.push(seed + end);
    }
  }
  return slow;
}

it('holds no pattern whose time grows faster than the text that it is given', () => {
  const all = literals();
  expect(all.length).toBeGreaterThan(100);
  const seen = new Set<string>();
  const slow: string[] = [];
  for (const { file, pattern, flags } of all) {
    const key = `/${pattern}/${flags}`;
    if (seen.has(key) || file in EXCUSED || `${file}: ${key}` in EXCUSED) continue;
    seen.add(key);
    const seeds = slowFor(new RegExp(pattern, flags));
    if (seeds.length > 0) slow.push(`${file}: ${key} for ${JSON.stringify(seeds.slice(0, 3))}`);
  }
  expect(slow).toEqual([]);
  // It would find one.
  expect(slowFor(/\.+$/)).not.toEqual([]);
}, 120_000);
