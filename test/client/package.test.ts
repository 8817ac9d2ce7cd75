import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '../../client/src/index.ts';
import { clientTypes, WIRE_FILE } from '../../scripts/client-types.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { ROOT, type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';

let folder: string;
let project: string;
let database: TestDatabase;
let server: ServerProcess;

function run(command: string, args: string[], cwd: string): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-package-'));
  // Packed from a copy, so that the tree stays as it is; what builds it is found as it is from client/.
  const source = join(folder, 'client');
  cpSync(join(ROOT, 'client'), source, { recursive: true });
  rmSync(join(source, 'dist'), { recursive: true, force: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const packed = run('npm', ['pack', '--silent', '--offline'], source).trim().split('\n').at(-1) as string;
  project = mkdtempSync(join(tmpdir(), 'holdfast-project-'));
  writeFileSync(join(project, 'package.json'), '{"name": "fresh", "private": true, "type": "module"}');
  run('npm', ['install', '--offline', '--no-audit', '--no-fund', join(source, packed)], project);
  database = await testDatabase();
  server = await startServer({ DATABASE_URL: database.url });
});
afterAll(async () => {
  await stopEverything();
  await database?.close();
  for (const made of [folder, project]) rmSync(made, { recursive: true, force: true });
});

describe('the package, packed and installed in a fresh project', () => {
  it('brings a licence, a page about itself, code and types, and no dependency', () => {
    const installed = join(project, 'node_modules');
    expect(readdirSync(installed).filter((name) => !name.startsWith('.'))).toEqual(['holdfast-client']);
    const files = readdirSync(join(installed, 'holdfast-client'));
    expect(files.sort()).toEqual(['LICENSE', 'README.md', 'dist', 'package.json']);
    const dist = readdirSync(join(installed, 'holdfast-client/dist')).filter((name) => name.endsWith('.js'));
    // A page in a browser has not what Node has.
    for (const file of dist) {
      const code = readFileSync(join(installed, 'holdfast-client/dist', file), 'utf8');
      expect(code, file).not.toMatch(/(from|import|require)\s*\(?['"](?!\.\/[\w-]+\.js['"])/);
    }
  });

  it('is used by plain JavaScript: a worker runs a step, and ends what it runs when it is told to by a signal', async () => {
    writeFileSync(join(project, 'worker.js'), WORKER);
    const child = spawn(process.execPath, ['worker.js', server.url], {
      cwd: project,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    let signalled = false;
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk;
      if (!signalled && said.includes('running second')) child.kill('SIGTERM');
      signalled ||= said.includes('running second');
    });
    const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)));
    const client = createClient({ server: server.url });
    const job = await client.submit({
      name: 'by-package',
      steps: [
        { name: 'first', uses: 'greet', with: 'Ada' },
        { name: 'second', needs: ['first'], uses: 'greet', with: '${{ steps.first.output }}' },
      ],
      output: '${{ steps.second.output }}',
    });
    expect(await client.wait(job.id, { timeoutMs: 20_000 })).toMatchObject({
      status: 'succeeded',
      output: 'hello hello Ada',
    });
    expect(await ended).toBe(0);
    expect(said).toBe('running first\nrunning second\nleft\n');
    expect((await client.workers({ status: ['live'] })).data.map(({ kind }) => kind)).toEqual(['server']);
  });

  it('runs the examples of its page, which print what the page says', async () => {
    const page = readFileSync(join(ROOT, 'client/README.md'), 'utf8');
    const blocks = [...page.matchAll(/^```(?:js|text)\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text);
    const [worker, example, printed] = blocks.map((text) =>
      text.replace('http://localhost:3000', server.url),
    );
    writeFileSync(join(project, 'page-worker.js'), worker ?? '');
    writeFileSync(join(project, 'page-client.js'), example ?? '');
    const child = spawn(process.execPath, ['page-worker.js'], { cwd: project, stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('close', resolve));
    expect(run(process.execPath, ['page-client.js'], project)).toBe(printed);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });

  it('has types that TypeScript checks', () => {
    writeFileSync(join(project, 'typed.ts'), TYPED);
    const options = ['--strict', '--noEmit', '--exactOptionalPropertyTypes', '--target', 'es2022'];
    const modules = ['--module', 'nodenext', '--types', 'node'];
    const roots = ['--typeRoots', join(ROOT, 'node_modules/@types')];
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    expect(checkTypes([tsc, ...options, ...modules, ...roots, 'typed.ts'])).toBe('');
  });
});

function checkTypes(args: string[]): string {
  try {
    return run(process.execPath, args, project);
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

it('the types of the client are those of the schemas, as `npm run client:types` writes them', async () => {
  expect(await clientTypes()).toBe(readFileSync(join(ROOT, WIRE_FILE), 'utf8'));
});

const WORKER = `
import { Worker } from 'holdfast-client';
import { Worker as same } from 'holdfast-client/worker';

if (Worker !== same) throw new Error('two of them');
const worker = new Worker({
  server: process.argv[2],
  actions: {
    greet: async ({ input, claim }) => {
      console.log('running', claim.step);
      await new Promise((resolve) => setTimeout(resolve, 300));
      return \`hello \${input}\`;
    },
  },
});
await worker.run();
console.log('left');
`;

const TYPED = `
import { type Client, createClient, HoldfastError, type Job, StepError, Worker } from 'holdfast-client';
import type { ActionContext } from 'holdfast-client/worker';

const client: Client = createClient({ server: ['http://127.0.0.1:3000'] });
const job: Job = await client.submit({ name: 'typed', uses: 'value', with: { a: [1, 'b'] } }, { waitMs: 1000 });
const status: 'succeeded' | 'failed' | 'cancelled' | 'scheduled' | 'queued' | 'running' | 'paused' = job.status;
// @ts-expect-error no such status
const wrong: boolean = job.status === 'canceled';
// @ts-expect-error a definition has a name
await client.submit({ uses: 'value' });
for await (const step of client.allSteps(job.id, { status: ['failed'] })) console.log(step.error?.code, status, wrong);
const worker = new Worker({
  server: 'http://127.0.0.1:3000',
  actions: {
    resize: async ({ input, signal, log, progress }: ActionContext<{ width: number }>) => {
      progress(0.5);
      log(String(input.width.toFixed()));
      if (signal.aborted) throw new StepError('no', { retryable: false, retryAfter: '10s' });
      return { ok: true };
    },
  },
});
await worker.start().catch((error: unknown) => {
  if (error instanceof HoldfastError) console.log(error.errors[0]?.pointer);
});
`;
