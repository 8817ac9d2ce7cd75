import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { checkGlossary } from '../../scripts/check-glossary.ts';

const GLOSSARY = [
  '| word | meaning | never say |',
  '|---|---|---|',
  '| step | one node of the graph | `task`, `activity`, point |',
  '| claim | a right | `lease` |',
  '| needs | what must end before | `depends_on` |',
  '',
  '| name | where | why |',
  '|---|---|---|',
].join('\n');

const CLEAN = {
  'docs/glossary.md': GLOSSARY,
  'migrations/schema.sql': 'create table step (\n  ordinal integer not null\n);\n',
  'src/contract/step.ts':
    "export const Step = Type.Object({ ordinal: Type.Integer(), status: OneOf(['ready']) });\n",
  'src/http/steps.ts': "export const route = { url: '/v1/jobs/:id/steps' };\n",
};

function wrongWith(files: Record<string, string>): string[] {
  return checkGlossary(new Map(Object.entries({ ...CLEAN, ...files }))).wrong;
}

test('names that keep to the glossary pass', () => {
  expect(wrongWith({})).toEqual([]);
  // Only whole words, or forms of them, count; and only those that the page shows as code.
  expect(wrongWith({ 'src/domain/release-point.ts': 'export const multitasking = 1;\n' })).toEqual([]);
});

test.each([
  [
    'a column',
    'migrations/schema.sql',
    'create table step (\n  task_id uuid not null\n);\n',
    'column task_id',
  ],
  ['a table', 'migrations/schema.sql', 'create table leases (\n  a int\n);\n', 'column leases'],
  [
    'a constraint',
    'migrations/schema.sql',
    'create table a (\n  constraint a_leased CHECK (b)\n);\n',
    'column a_leased',
  ],
  [
    'a wire field',
    'src/contract/a.ts',
    'const A = Type.Object({ depends_on: b });\n',
    'wire field depends_on',
  ],
  [
    'a query parameter',
    'src/http/a.ts',
    'const query = { activity: Type.String() };\n',
    'wire field activity',
  ],
  ['a status', 'src/contract/a.ts', "const status = OneOf(['leased'], 'x');\n", 'code leased'],
  ['an error code', 'src/domain/a.ts', "type Code = 'task_not_found';\n", 'code task_not_found'],
  ['a route', 'src/http/a.ts', "app.get('/v1/tasks', read);\n", 'route /v1/tasks'],
  ['a file', 'src/domain/leasing.ts', '', 'file src/domain/leasing.ts'],
  ['a function', 'src/domain/a.ts', 'export function taskOf() {}\n', 'export taskOf'],
  ['a constant', 'src/domain/a.ts', 'export const MAX_TASKS = 1;\n', 'export MAX_TASKS'],
  ['a type', 'src/domain/a.ts', 'export type Activities = 1;\n', 'export Activities'],
  ['a member of a type', 'src/domain/a.ts', 'export interface A { dependsOn: string }\n', 'export dependsOn'],
])('%s that breaks it is found', (_, path, text, found) => {
  expect(wrongWith({ [path]: text }).join('\n')).toContain(`${path}: ${found}: not "`);
});

test('an exception excuses one name in one file, and does not outlive it', () => {
  const page = `${GLOSSARY}\n| \`task\` | \`src/domain/a.ts\` | what others call it |\n`;
  const text = 'export const task = 1;\n';
  expect(wrongWith({ 'docs/glossary.md': page, 'src/domain/a.ts': text })).toEqual([]);
  expect(wrongWith({ 'docs/glossary.md': page, 'src/domain/b.ts': text })).toHaveLength(2);
});

test('a check that saw nothing does not pass', () => {
  const { wrong, seen } = checkGlossary(new Map());
  expect(seen).toBe(0);
  expect(wrong).toContain('docs/glossary.md names no word to look for');
  for (const kind of ['column', 'wire field', 'route', 'code', 'file', 'export']) {
    expect(wrong).toContain(`no ${kind} was seen`);
  }
});

test('the glossary rules out what other systems call these things', () => {
  const page = readFileSync('docs/glossary.md', 'utf8');
  const words = [
    'task',
    'executor',
    'lease',
    'reservation',
    'renew',
    'reap',
    'requeue',
    'topic',
    'depends_on',
  ];
  for (const word of [...words, 'canceled', 'node', 'finalize']) expect(page).toContain(`\`${word}\``);
});
