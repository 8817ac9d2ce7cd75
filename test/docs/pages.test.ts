import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTree } from '../../scripts/check-tree.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { until } from '../support/embedded.ts';
import { readPage, runPage } from '../support/page-commands.ts';
import { ROOT, type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';

// How pages write their commands and their output, so that they can be run here: see support/page-commands.ts.
const TREE = readTree(ROOT);
const PAGES = [...TREE.keys()].filter(
  (path) => path.endsWith('.md') && readPage(read(path)).some(({ isRun }) => isRun),
);

/** Pages that a test of their own runs, because it looks closer at what comes out. */
const RUN_ELSEWHERE = new Map([
  ['examples/README.md', 'test/server/example.test.ts'],
  // Needs jq and Python, which a machine may lack.
  ['examples/workers/README.md', 'test/server/example-workers.test.ts'],
]);

/** Jobs that pages show without sending them. */
const SHOWN = [...TREE].flatMap(([path, text]) =>
  path.endsWith('.md') ? [...text.matchAll(/^```(yaml|toml)\n(name\b[\s\S]*?)^```$/gm)] : [],
);

let database: TestDatabase;
let server: ServerProcess;

beforeAll(async () => {
  database = await testDatabase();
  server = await startServer({ DATABASE_URL: database.url });
});

afterAll(async () => {
  await stopEverything();
  await database?.close();
});

function read(path: string): string {
  return TREE.get(path) ?? '';
}

describe('every page', () => {
  it('with commands is run by a test', () => {
    expect(PAGES).toEqual(expect.arrayContaining(['README.md', 'docs/guide.md', 'examples/README.md']));
    for (const [path, test] of RUN_ELSEWHERE) expect(read(test)).toContain(path);
  });

  // One after the other on one server: a page may ask for the newest job and mean its own.
  it.each(PAGES.filter((path) => !RUN_ELSEWHERE.has(path)))(
    'prints what its commands print: %s',
    async (path) => {
      for (const { line, exitCode, difference } of await runPage(read(path), server)) {
        expect({ line, exitCode, difference }).toEqual({ line, exitCode: 0, difference: null });
      }
    },
    // Each command is a process or several; a page has dozens.
    120_000,
  );
});

describe('a job that a page shows', () => {
  it('is taken as it is printed, without a warning', async () => {
    expect(SHOWN.length).toBeGreaterThan(0);
    for (const [, language, body = ''] of SHOWN) {
      const headers = { 'content-type': `application/${language}` };
      const answer = await fetch(`${server.url}/v1/jobs/validate`, { method: 'POST', headers, body });
      expect(await answer.json(), body).toMatchObject({ plan: expect.anything(), warnings: [] });
    }
  });
});

describe('the README', () => {
  const blocks = readPage(read('README.md'));

  it('starts with what a fresh clone needs', () => {
    expect(blocks.find(({ isRun }) => !isRun)?.commands).toContain('npm ci && npm start');
  });

  it('shows how to submit, watch, look at steps, cancel and clean up', () => {
    const run = blocks.filter(({ isRun }) => isRun);
    const commands = run.map((block) => block.commands).join('\n');
    for (const call of [
      /--json .*\/v1\/jobs/s,
      /\/v1\/jobs\/\S+\?wait=/,
      /\/steps/,
      /\/cancel/,
      /\/jobs\/cleanup\?days=/,
    ]) {
      expect(commands).toMatch(call);
    }
    expect(run.filter(({ output }) => output !== null).length).toBeGreaterThanOrEqual(5);
  });
});

describe('the guide', () => {
  it('moves to a database that is still empty by the command that it prints', async () => {
    const printed = readPage(read('docs/guide.md')).find(({ commands }) =>
      commands.startsWith('DATABASE_URL='),
    );
    const empty = await testDatabase({ empty: true });
    const commands = printed?.commands.replace(/(?<==)postgres:\S+/, `'${empty.url}'`) ?? '';
    // A group of its own, because npm starts a shell that starts the server.
    const bash = spawn('bash', ['-c', commands], {
      cwd: ROOT,
      env: { ...process.env, PORT: '0' },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    try {
      let said = '';
      for (const stream of [bash.stdout, bash.stderr]) {
        stream.on('data', (chunk: Buffer) => {
          said += chunk;
        });
      }
      await until(() => /is ready/.test(said) || bash.exitCode !== null);
      expect(said).toMatch(/is ready/);
      const [, api] = /API (http:\S+)\/v1/.exec(said) ?? [];
      const health = await fetch(`${api}/health`);
      expect(await health.json()).toMatchObject({ jobs_count: 0, database: { kind: 'external' } });
    } finally {
      process.kill(-(bash.pid as number), 'SIGTERM');
      await once(bash, 'close');
      await empty.close();
    }
  });
});
