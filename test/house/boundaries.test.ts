import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** What imports what, and the rules that this breaks. */
const PLANTED: [from: string, to: string, rules: string[]][] = [
  ['src/contract/a.ts', 'src/domain/limits.ts', []],
  ['src/contract/b.ts', 'src/domain/moves/draft.ts', ['contract-reaches-too-far']],
  ['src/contract/c.ts', 'typebox', []],
  ['src/contract/d.ts', 'pino', ['contract-uses-a-package']],
  ['src/contract/e.ts', 'node:util', ['contract-uses-a-package']],
  ['src/domain/a.ts', 'src/database/store.ts', ['domain-reaches-too-far']],
  ['src/domain/b.ts', 'node:crypto', ['domain-touches-the-world']],
  ['src/domain/c.ts', 'node:fs', ['domain-touches-the-world']],
  ['src/database/a.ts', 'src/repositories/jobs.ts', ['database-reaches-too-far']],
  ['src/database/b.ts', 'pg', []],
  ['src/database/c.ts', 'src/domain/limits.ts', []],
  ['src/repositories/a.ts', 'src/operations/cancel-job.ts', ['repositories-reaches-too-far']],
  ['src/repositories/b.ts', 'src/database/store.ts', []],
  ['src/repositories/c.ts', 'src/database/transaction.ts', ['transaction-outside-an-operation']],
  ['src/repositories/d.ts', 'kysely', []],
  ['src/repositories/e.ts', 'pg', ['pg-outside-its-room']],
  ['src/operations/a.ts', 'src/database/transaction.ts', []],
  ['src/operations/b.ts', 'src/repositories/jobs.ts', []],
  ['src/operations/c.ts', 'src/actions/value.ts', ['operations-reaches-too-far']],
  ['src/operations/d.ts', 'src/contract/job.ts', ['operations-reaches-too-far']],
  ['src/operations/e.ts', 'src/scheduler/wake.ts', ['operations-reaches-too-far']],
  ['src/operations/f.ts', 'src/http/app.ts', ['operations-reaches-too-far']],
  ['src/operations/g.ts', 'src/config.ts', ['operations-reaches-too-far', 'config-outside-main']],
  ['src/actions/a.ts', 'src/database/store.ts', ['actions-reaches-too-far']],
  ['src/actions/b.ts', 'src/outbound/outbound.ts', []],
  ['src/actions/c.ts', 'src/operations/cancel-job.ts', ['actions-reaches-too-far']],
  ['src/actions/d.ts', 'undici', ['undici-outside-its-room']],
  ['src/actions/e.ts', 'ipaddr.js', ['ipaddr-outside-its-room']],
  ['src/outbound/a.ts', 'src/actions/value.ts', ['outbound-reaches-too-far']],
  ['src/outbound/b.ts', 'undici', []],
  ['src/outbound/c.ts', 'ipaddr.js', []],
  ['src/telemetry/a.ts', 'src/database/store.ts', ['telemetry-reaches-too-far']],
  ['src/scheduler/a.ts', 'src/operations/cancel-job.ts', []],
  ['src/scheduler/b.ts', 'src/repositories/jobs.ts', ['scheduler-reaches-too-far']],
  ['src/scheduler/c.ts', 'src/actions/value.ts', []],
  ['src/scheduler/d.ts', 'src/http/app.ts', ['scheduler-reaches-too-far']],
  ['src/scheduler/e.ts', 'src/database/transaction.ts', ['transaction-outside-an-operation']],
  ['src/scheduler/f.ts', 'kysely', ['kysely-outside-its-room']],
  ['src/http/a.ts', 'src/repositories/jobs.ts', []],
  ['src/http/b.ts', 'src/database/wake-ups.ts', []],
  ['src/http/c.ts', 'src/database/connection.ts', ['http-reaches-too-far']],
  ['src/http/d.ts', 'src/scheduler/wake.ts', ['http-reaches-too-far']],
  ['src/http/e.ts', 'src/actions/value.ts', ['http-reaches-too-far']],
  ['src/http/f.ts', 'fastify', []],
  ['src/http/g.ts', '@fastify/swagger', []],
  ['src/http/h.ts', 'kysely', ['kysely-outside-its-room']],
  ['src/http/routes/i.ts', 'src/config.ts', ['http-reaches-too-far', 'config-outside-main']],
  ['src/scheduler/g.ts', 'fastify', ['fastify-outside-its-room']],
  ['src/scheduler/h.ts', '@fastify/swagger', ['fastify-outside-its-room']],
  ['src/scheduler/i.ts', 'fast-check', ['not-a-dependency']],
  ['src/scheduler/j.ts', 'src/domain/nowhere.ts', ['unresolvable']],
  ['src/scheduler/k.ts', 'test/server.ts', ['src-leaves-src']],
  ['src/scheduler/l.ts', 'src/main.ts', ['scheduler-reaches-too-far', 'main-is-imported']],
  ['src/main.ts', 'src/config.ts', []],
  ['src/config.ts', 'src/http/app.ts', ['config-reaches-too-far']],
  ['src/cli/a.ts', 'client/src/index.ts', []],
  ['src/cli/b.ts', 'src/contract/job.ts', []],
  ['src/cli/c.ts', 'src/http/app.ts', ['cli-reaches-too-far']],
  ['src/cli/d.ts', 'src/domain/json.ts', ['cli-reaches-too-far']],
  ['src/cli/e.ts', 'src/main.ts', ['main-is-imported']],
  ['src/cli/commands/serve.ts', 'src/main.ts', []],
  ['src/http/j.ts', 'client/src/index.ts', ['client-outside-the-command-line']],
  ['src/http/k.ts', 'commander', ['terminal-outside-its-room']],
  ['client/src/a.ts', 'client/src/b.ts', []],
  ['client/src/c.ts', 'src/contract/job.ts', ['client-reaches-out']],
  ['client/src/d.ts', 'node:crypto', ['client-reaches-out']],
  ['client/src/e.ts', 'undici', ['client-reaches-out']],
  ['src/plugins/a.ts', 'src/domain/limits.ts', ['room-without-a-rule']],
  ['src/domain/circle-one.ts', 'src/domain/circle-two.ts', ['circular']],
  // A circle is told once.
  ['src/domain/circle-two.ts', 'src/domain/circle-one.ts', []],
];

let folder: string;
let found: Map<string, string[]>;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-boundaries-'));
  for (const file of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json'])
    cpSync(file, join(folder, file));
  symlinkSync(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'));
  const inside = (target: string) => /^(src|test|client)\//.test(target);
  const sources = new Set(PLANTED.map(([from]) => from));
  for (const [, to] of PLANTED) {
    if (inside(to) && !sources.has(to) && !to.includes('nowhere')) write(to, 'export type Planted = string;');
  }
  for (const [from, to] of PLANTED) {
    const target = inside(to) ? `./${relative(dirname(from), to)}` : to;
    write(from, `import type { Planted } from '${target}';\nexport type Other = Planted;`);
  }
  write('src/domain/alone.ts', 'export const alone = 1;');
  found = cruise();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(PLANTED)('%s importing %s breaks %j', (from, to, rules) => {
  expect(found.get(`${from} ${to}`) ?? []).toEqual(rules);
});

test('a file that nothing imports and that imports nothing is found', () => {
  expect(found.get('src/domain/alone.ts src/domain/alone.ts')).toEqual(['orphan']);
});

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), `${text}\n`);
}

/** The names of the broken rules by "from to", the package's name standing for its files. */
function cruise(): Map<string, string[]> {
  const program = join(process.cwd(), 'node_modules/.bin/depcruise');
  const args = ['src', 'client/src', '--config', '.dependency-cruiser.cjs', '--output-type', 'json'];
  const { stdout } = spawnSync(program, args, { cwd: folder, encoding: 'utf8', maxBuffer: 1e8 });
  const { summary } = JSON.parse(stdout) as {
    summary: { violations: { from: string; to: string; rule: { name: string } }[] };
  };
  const byEdge = Map.groupBy(summary.violations, ({ from, to }) => `${from} ${asWritten(from, to)}`);
  return new Map([...byEdge].map(([edge, all]) => [edge, all.map(({ rule }) => rule.name).sort(inOrder)]));
}

function asWritten(from: string, to: string): string {
  const planted = PLANTED.find(([source]) => source === from)?.[1] ?? to;
  const isPackage = !/^(src|test|client)\//.test(planted);
  return isPackage || planted.includes('nowhere') ? planted : to;
}

// The order of the rules in the table above: the room's own first.
function inOrder(one: string, other: string): number {
  const rank = (name: string) => (name.endsWith('reaches-too-far') ? 0 : 1);
  return rank(one) - rank(other);
}
