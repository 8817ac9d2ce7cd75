import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { newDataDir } from '../support/embedded.ts';
import { type RunBlock, runPage } from '../support/page-commands.ts';
import { ROOT, type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';
import { getStep, isOver, untilJob } from './steps-that-count.ts';

const PAGE = readFileSync(join(ROOT, 'examples/README.md'), 'utf8');
const DEFINITION = readFileSync(join(ROOT, 'examples/hash-packages.json'), 'utf8');

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

/** The regular files below the packages of a folder, by the names that `find *` gives them. */
function filesBelow(folder: string): string[] {
  const packages = readdirSync(folder).filter((name) => !name.startsWith('.'));
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true }).filter((entry) =>
    entry.isFile(),
  );
  const paths = entries.map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  const known = new Set(packages);
  return paths.filter((path) => known.has(path.split('/')[0] as string));
}

/** The digest that the job should come to: that of the shards' digests. */
function digestOf(folder: string, files: string[]): string {
  const packages = readdirSync(folder).filter((name) => !name.startsWith('.'));
  const inOrder = (names: string[]) => names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const shardOf = new Map(inOrder(packages).map((name, index) => [name, (index + 1) % 4]));
  const digests = [0, 1, 2, 3].map((shard) => {
    const mine = files.filter((path) => shardOf.get(path.split('/')[0] as string) === shard);
    const lines = inOrder(mine).map((path) => `${sha256(readFileSync(join(folder, path)))}  ${path}\n`);
    return sha256(lines.join(''));
  });
  return sha256(`${digests.join('\n')}\n`);
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** The example with another input. */
async function runWith(input: object) {
  const definition = JSON.parse(DEFINITION);
  const body = { ...definition, input: { ...definition.input, reports: newDataDir(), ...input } };
  return (await send(server.port, 'POST', '/v1/jobs?wait=60s', { body })).json;
}

/** A folder of six small packages, one of them with names that are hard on a shell. */
function smallFolder(): string {
  const folder = newDataDir();
  for (const name of ['a', 'b', '@c', 'd', 'e', 'f']) {
    mkdirSync(join(folder, name, 'src'), { recursive: true });
    writeFileSync(join(folder, name, 'src', `it's a "file" $name.js`), `this is ${name}\n`);
    writeFileSync(join(folder, name, 'ünicode'), name.repeat(1000));
  }
  return folder;
}

describe('the example of the README', () => {
  let ran: RunBlock[];

  beforeAll(async () => {
    ran = await runPage(PAGE, server);
  }, 60_000);

  afterAll(() => rmSync(JSON.parse(ran[0]?.stdout ?? '').output.report));

  it('runs as it is printed and prints what is printed', () => {
    expect(ran.length).toBeGreaterThanOrEqual(3);
    for (const { line, exitCode, difference } of ran)
      expect({ line, exitCode, difference }).toEqual({ line, exitCode: 0, difference: null });
  });

  it('counts every file of node_modules', () => {
    const { output } = JSON.parse(ran[0]?.stdout ?? '');
    const folder = join(ROOT, 'node_modules');
    const files = filesBelow(folder);
    expect(files.length).toBeGreaterThan(1_000);
    expect(output.files).toBe(files.length);
    expect(output.bytes).toBe(files.reduce((total, path) => total + statSync(join(folder, path)).size, 0));
    expect(readFileSync(output.report, 'utf8')).toContain(`${output.files} files, ${output.bytes} bytes`);
  });

  it('uses a retry and a condition that holds', async () => {
    const { id } = JSON.parse(ran[0]?.stdout ?? '');
    const settle = await getStep(server, id, 'settle');
    expect(settle.failures).toBeGreaterThanOrEqual(1);
    expect(settle).toMatchObject({
      status: 'succeeded',
      attempts: [{ outcome: 'failed' }, { outcome: 'succeeded' }],
    });
    expect(await getStep(server, id, 'largest')).toMatchObject({ status: 'succeeded' });
  });
});

describe('the example on another folder', () => {
  it('comes to the digest that the files have, and skips what is for large folders', async () => {
    const folder = smallFolder();
    const files = filesBelow(folder);
    const job = await runWith({ folder });
    expect(job).toMatchObject({ status: 'succeeded', steps: { succeeded: 8, skipped: 1 } });
    expect(job.output).toMatchObject({ packages: 6, files: 12, sha256: digestOf(folder, files) });
    expect(await getStep(server, job.id, 'largest')).toMatchObject({
      status: 'skipped',
      reason: 'condition_false',
    });
    expect(readFileSync(job.output.report, 'utf8')).toContain('not looked for');
  });

  it('fails and says so when there is no such folder', async () => {
    const definition = JSON.parse(DEFINITION);
    definition.steps[0].retry.max_attempts = 1;
    definition.input.folder = '/no/such/folder';
    const job = (await send(server.port, 'POST', '/v1/jobs?wait=60s', { body: definition })).json;
    expect(job).toMatchObject({ status: 'failed', output: null });
    expect(await getStep(server, job.id, 'settle')).toMatchObject({ error: { code: 'cwd_not_found' } });
  });
});

/** The job that verifies a file as it is now. */
function manifestOf(file: string, chunks: number): Buffer {
  return execFileSync(process.execPath, [join(ROOT, 'examples/chunk-manifest.ts'), file, String(chunks)]);
}

async function submitToml(body: Buffer): Promise<string> {
  const headers = { 'content-type': 'application/toml' };
  const answer = await fetch(`${server.url}/v1/jobs`, { method: 'POST', headers, body: body.toString() });
  expect(answer.status).toBe(202);
  return ((await answer.json()) as { id: string }).id;
}

describe('the manifest of chunks', () => {
  it('names what is damaged, and after a retry reads that again and nothing else', async () => {
    const file = join(newDataDir(), 'a file with spaces');
    const content = randomBytes(100_001);
    writeFileSync(file, content);
    const manifest = manifestOf(file, 20);
    const damaged = Buffer.from(content);
    damaged.writeUInt8(content.readUInt8(99_999) ^ 1, 99_999);
    writeFileSync(file, damaged);

    const id = await submitToml(manifest);
    expect(await untilJob(server, id, isOver)).toMatchObject({ status: 'failed', steps: { failed: 1 } });
    const report = await getStep(server, id, 'report');
    expect(report.output).toEqual({ chunks: 20, whole: 19, damaged: ['chunk-19'] });

    writeFileSync(file, content);
    await send(server.port, 'POST', `/v1/jobs/${id}/retry`);
    expect(await untilJob(server, id, isOver)).toMatchObject({
      status: 'succeeded',
      output: { chunks: 20, whole: 20, damaged: [] },
    });
    expect(await getStep(server, id, 'chunk-18')).toMatchObject({ attempt: 1 });
    expect(await getStep(server, id, 'chunk-19')).toMatchObject({ attempt: 2 });
  });
});
