import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { compareOutput, runPage } from '../support/page-commands.ts';
import { type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';

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

describe('a page of commands', () => {
  const page = [
    '```sh\nnpm ci && npm start\n```',
    '```sh\nJOB=$(curl -s --json \'{"name":"hello","uses":"value","with":1}\' localhost:3000/v1/jobs | cut -d\'"\' -f4)\n```',
    '```sh\ncurl -s "localhost:3000/v1/jobs/$JOB?wait=10s" | cut -c1-50\n```',
    'It prints',
    '```text\n{"id":"01a1fda1-9a1b-7000-8e84-ff6e32037728","name\n```',
    '```sh\ncurl -s "localhost:3000/v1/jobs/nobody"; false\n```',
    '```json\n{"status": 404}\n```',
  ].join('\n\n');

  it('runs in one shell against the server at hand, without what starts one', async () => {
    const [submitted, watched, missing] = await runPage(page, server);
    expect(submitted).toMatchObject({ exitCode: 0, stdout: '', output: null, difference: null });
    expect(watched).toMatchObject({ line: 9, exitCode: 0, difference: null });
    expect(missing).toMatchObject({
      exitCode: 1,
      difference: expect.stringContaining('has the keys code, detail'),
    });
  });

  it('differs where shape or text differ, and only there', () => {
    const json = (text: string, actual: unknown) =>
      compareOutput({ language: 'json', text }, JSON.stringify(actual));
    const printed =
      '{"id": "01a1fda1-9a1b-7000-8e84-ff6e32037728", "n": 1, "list": [{"at_ms": null}], "status": "queued"}';
    const actual = {
      id: '01a1fda1-0000-7000-8e84-ff6e32037728',
      status: 'queued',
      list: [{ at_ms: 3 }],
      n: 77,
    };
    expect(json(printed, actual)).toBeNull();
    expect(json(printed, { ...actual, status: 'cancelled' })).toContain('/status');
    expect(json(printed, { ...actual, n: '77' })).toContain('/n');
    expect(json(printed, { ...actual, n: null })).toContain('/n');
    expect(json(printed, { ...actual, list: [] })).toContain('/list');
    expect(json(printed, { ...actual, more: true })).toContain('more');
    expect(json('{"n": "…", "…": "…"}', actual)).toBeNull();
    expect(json('{"m": 1, "…": "…"}', actual)).toContain('printed are m');
    expect(json('{"list": [{"at_ms": 1}, "…"], "…": "…"}', actual)).toBeNull();
    expect(json('{"list": [1, "…"], "…": "…"}', actual)).toContain('/list/0');
    expect(json('{"list": [{"at_ms": 1}, {"at_ms": 1}, "…"], "…": "…"}', actual)).toContain('/list');
    expect(compareOutput({ language: 'json', text: printed }, 'oops')).toContain('oops');
    expect(
      compareOutput({ language: 'text', text: 'took 12 ms\n…\nend' }, 'took 3 ms\nand\nmore\nend\n'),
    ).toBeNull();
    expect(compareOutput({ language: 'text', text: 'took 12 ms\nend' }, 'took 3 s\nend\n')).not.toBeNull();
  });
});
