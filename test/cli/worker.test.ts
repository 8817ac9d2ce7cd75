import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createClient, type Job } from '../../client/src/index.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { newDataDir, until } from '../support/embedded.ts';
import { type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';
import { killAll, start } from './holdfast.ts';

let database: TestDatabase;
let server: ServerProcess;
let folder: string;

const client = () => createClient({ server: server.url });

function write(file: string, text: string): void {
  mkdirSync(folder, { recursive: true });
  // At once, as a careful program writes it; that half a file does no harm is shown below.
  writeFileSync(join(folder, `.${file}`), text);
  renameSync(join(folder, `.${file}`), join(folder, file));
}

/** Runs one step of an action and gives the job and what the step gave. */
async function act(uses: string, input: unknown = null): Promise<{ job: Job; output: unknown }> {
  const { id } = await client().submit({ name: uses, uses, with: input });
  const job = await client().wait(id, { timeoutMs: 20_000 });
  return { job, output: (await client().step(id, 'main')).output };
}

/** The actions that live remote workers offer. */
async function offered(): Promise<string[]> {
  const { data } = await client().workers({ status: ['live'] });
  return data
    .filter(({ kind }) => kind === 'remote')
    .flatMap(({ uses }) => uses)
    .sort();
}

beforeAll(async () => {
  database = await testDatabase();
  server = await startServer({ DATABASE_URL: database.url });
  folder = join(newDataDir(), 'actions');
});

afterEach(killAll);
afterAll(async () => {
  await stopEverything();
  await database?.close();
});

it('serves what is in a folder, one action a file: dropped in, changed and removed while it runs', async () => {
  write(
    'greet.ts',
    'export default ({ input }: { input: { to: string } }): string => `Hello ${input.to}`;\n',
  );
  write('_notes.js', 'throw new Error("not an action");\n');
  const worker = start(server.url, ['worker', folder, '--concurrency', '2', '--name', 'folder', '--verbose']);
  await worker.says('registered as folder');
  expect((await act('greet', { to: 'you' })).output).toBe('Hello you');

  // Dropped in: an action within a second or two; what does not load is told, and the others go on.
  const dropped = performance.now();
  write('count.cjs', 'module.exports = ({ input }) => input.length;\n');
  write('broken.js', 'export default (\n');
  write(
    'resize.mjs',
    'export const uses = "media/resize";\nexport const concurrency = 1;\nexport default () => 1;\n',
  );
  expect((await act('count', [1, 2])).output).toBe(2);
  expect(performance.now() - dropped).toBeLessThan(5000);
  await until(async () => (await offered()).join() === 'count,greet,media/resize');
  expect(worker.stdout()).toMatch(/broken\.js: line \d: /);
  expect(worker.stdout()).not.toContain('_notes');
  const { data } = await client().workers({ status: ['live'] });
  expect(data.find(({ uses }) => uses.includes('media/resize'))).toMatchObject({
    name: 'folder media/resize',
    slots: 1,
  });
  expect(data.find(({ uses }) => uses.includes('greet'))).toMatchObject({ name: 'folder', slots: 2 });

  // Changed: what runs ends with the code it began with, what comes next gets the new one; also in CommonJS.
  write(
    'slow.js',
    `export default async ({ signal, log }) => {
    log('waiting');
    while (!globalThis.mayEnd && !signal.aborted) await new Promise((go) => setTimeout(go, 20));
    return 'old';
  };\n`,
  );
  const { id } = await client().submit({ name: 'slow', uses: 'slow' });
  await until(async () => (await client().step(id, 'main')).status === 'running');
  write('slow.js', 'export default () => { globalThis.mayEnd = true; return "new"; };\n');
  write('count.cjs', 'module.exports = () => "counted";\n');
  await until(async () => (await act('count', [])).output === 'counted');
  expect((await act('slow')).output).toBe('new');
  await client().wait(id);
  expect((await client().step(id, 'main')).output).toBe('old');

  // Changed into what does not load: the former code stays.
  writeFileSync(join(folder, 'count.cjs'), 'module.exports = () => {\n');
  await worker.says(/count\.cjs: .*; its former code stays in use/);
  expect((await act('count', [])).output).toBe('counted');

  // Removed: no longer offered, and steps say that nobody does.
  rmSync(join(folder, 'greet.ts'));
  await until(async () => (await offered()).join() === 'count,media/resize,slow');
  const waiting = await client().submit({ name: 'late', uses: 'greet' });
  expect((await client().step(waiting.id, 'main')).blocked_by).toMatchObject([{ code: 'no_worker' }]);

  // A mistake of an action fails its step and nothing else, also one that nobody catches.
  write(
    'count.cjs',
    'module.exports = () => { Promise.reject(new Error("forgotten")); throw Object.assign(new Error("no"), { name: "StepError", code: "no_count", retryable: false }); };\n',
  );
  await until(async () => (await act('count')).job.status === 'failed');
  const [failed] = (await client().list({ name: 'count', limit: 1 })).data;
  expect((await client().step(failed?.id ?? '', 'main')).error).toMatchObject({
    code: 'no_count',
    message: 'no',
  });
  await worker.says('an action left this unhandled: Error: forgotten');
  expect((await act('media/resize')).output).toBe(1);

  const ended = await worker.end('SIGTERM');
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  expect(await offered()).toEqual([]);
});
