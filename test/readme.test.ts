import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from './support/database.ts';
import { type RunBlock, readPage, runPage } from './support/page-commands.ts';
import { ROOT, type ServerProcess, startServer, stopEverything } from './support/server-process.ts';

// How the README writes its commands and their output, so that they can be run here: see support/page-commands.ts.
const FILE = join(ROOT, 'README.md');
const README = () => readFileSync(FILE, 'utf8');

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

describe.runIf(existsSync(FILE))('the README', () => {
  let ran: RunBlock[];

  beforeAll(async () => {
    ran = await runPage(README(), server);
  });

  it('starts with what a fresh clone needs', () => {
    const start = readPage(README()).find(({ isRun }) => !isRun);
    expect(start?.commands).toContain('npm ci && npm start');
  });

  it('shows how to submit, watch, look at steps, cancel and clean up', () => {
    const commands = ran.map((block) => block.commands).join('\n');
    for (const call of [
      /--json .*\/v1\/jobs/s,
      /\/v1\/jobs\/\S+\?wait=/,
      /\/steps/,
      /\/cancel/,
      /\/jobs\/cleanup\?days=/,
    ]) {
      expect(commands).toMatch(call);
    }
    expect(ran.filter(({ output }) => output !== null).length).toBeGreaterThanOrEqual(5);
  });

  it('prints what its commands print', () => {
    for (const { line, exitCode, difference } of ran) {
      expect({ line, exitCode, difference }).toEqual({ line, exitCode: 0, difference: null });
    }
  });
});
