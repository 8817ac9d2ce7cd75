import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { checkTidy } from '../../scripts/check-tidy.ts';
import { readTree } from '../../scripts/check-tree.ts';

const TIDY = {
  'package-lock.json': '{"packages": {}}',
  'src/main.ts': "export const port = process.env['PORT'];\n",
  'src/cli/main.ts': 'createProgram(process.env);\n',
  'src/repositories/jobs.ts':
    'export function deleteJob(tx: Tx) { return tx.deleteFrom("job"); }\nexport function readJob(db: Db) {}\n',
};

const PLANTED: [what: string, path: string, text: string, message: RegExp][] = [
  ['a long file', 'src/domain/a.ts', 'export const a = 1;\n'.repeat(251), /251 lines/],
  ['a long file of the client', 'client/src/a.ts', 'export const a = 1;\n'.repeat(251), /251 lines/],
  ['a nameless room', 'src/domain/utils/a.ts', 'export const a = 1;', /src\/domain\/utils\/: a folder/],
  ['a nameless room of tests', 'test/helpers/a.ts', 'export const a = 1;', /test\/helpers\//],
  ['something left to do', 'src/a.ts', `// TO${'DO'} later\nexport const a = 1;`, /a\.ts:1: something left/],
  ['a path of a machine', 'README.md', `cd ${'/ho'}me/me/holdfast`, /README\.md:1: a path/],
  ['a registry', '.npmrc', `registry=https://${'regis'}try.example.org/`, /\.npmrc:1: a package registry/],
  ['a lockfile with hosts', 'package-lock.json', '{"resolved": "https://x"}', /holds "resolved"/],
  ['a dead link', 'README.md', 'See [it](docs/none.md).', /docs\/none\.md leads nowhere/],
  ['a dead anchor', 'README.md', '# Read me\n[there](#elsewhere)', /#elsewhere leads nowhere/],
  ['a decision without a number', 'docs/decisions/why.md', '# Why', /why\.md: a decision is named/],
  [
    'a barrel',
    'src/domain/index.ts',
    "export { a } from './a.ts';\nexport * from './b.ts';",
    /only passes on/,
  ],
  ['a read of the environment', 'src/a.ts', 'export const a = process.env;', /a\.ts:1: only src\/main/],
  ['a hidden read of it', 'src/a.ts', 'export const { env } = process;', /a\.ts:1: only src\/main/],
  [
    'an imported read of it',
    'src/a.ts',
    "import { env } from 'node:process';\nenv;",
    /a\.ts:1: only src\/main/,
  ],
  [
    'SQL in an operation',
    'src/operations/a.ts',
    'export const a = () => db.selectFrom("job");',
    /selectFrom\(\): SQL/,
  ],
  [
    'a transaction in a route',
    'src/http/a.ts',
    'export const a = () => db.transaction();',
    /transaction\(\): only/,
  ],
  [
    'a write from a route',
    'src/http/a.ts',
    "import { deleteJob } from '../repositories/jobs.ts';",
    /deleteJob: http/,
  ],
];

test.each(PLANTED)('%s is refused', (_, path, text, message) => {
  const { wrong } = checkTidy(new Map(Object.entries({ ...TIDY, [path]: text })));
  expect(wrong.join('\n')).toMatch(message);
});

test('a tidy tree passes', () => {
  const more = {
    'README.md':
      '# A `job` & more\n[up](#a-job--more) [docs](docs/) [out](https://example.org) `[no](link)`\n',
    'docs/decisions/0001-use-postgres.md': '[back](../../README.md#a-job--more)\n',
    'src/http/jobs.ts': "import { readJob } from '../repositories/jobs.ts';\nreadJob(process.pid);\n",
  };
  expect(checkTidy(new Map(Object.entries({ ...TIDY, ...more })))).toEqual({ wrong: [], warnings: [] });
});

test('a tree without sources does not pass', () => {
  expect(checkTidy(new Map()).wrong).toContain('src holds no TypeScript: nothing was checked');
});

test('a long function is warned about, a long statement in it is not', () => {
  const lines = (text: string) => `${text}\n`.repeat(41);
  const warnings = (body: string) =>
    checkTidy(new Map([['src/a.ts', `export function a() {\n${body}}\n`]])).warnings;
  expect(warnings(lines('  step();'))).toEqual([expect.stringMatching(/^src\/a\.ts:1: a has 43 lines/)]);
  expect(warnings(`sql\`${lines('select')}\`;\n`)).toEqual([]);
  expect(warnings(`return db.selectFrom('job')\n${lines("  .where('a', '=', 1)")};\n`)).toEqual([]);
  expect(warnings(`return () => {\n${lines('step();')}};\n`)).toEqual([
    expect.stringMatching(/^src\/a\.ts:2:/),
  ]);
});

test('the tree holds every text file, dotted ones too, and nothing that is generated', () => {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-tree-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const ours = [
    '.ci/run',
    '.env.example',
    '.npmrc',
    'Dockerfile',
    'LICENSE',
    'docs/a.md',
    'src/a/b.ts',
    'src/c.sh',
  ];
  for (const path of [
    ...ours,
    'node_modules/a/b.ts',
    'data/c.md',
    'coverage/d.json',
    '.git/config',
    'logo.png',
  ]) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), path);
  }
  expect([...readTree(root).keys()]).toEqual(ours);
});
