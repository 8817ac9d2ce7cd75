import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { isRunning } from '../actions/shell-step.ts';
import { testDatabase } from '../support/database.ts';
import { newDataDir, until } from '../support/embedded.ts';
import { startServer, stopEverything } from '../support/server-process.ts';
import { getStep, isOver, submit, untilJob } from './steps-that-count.ts';

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  await stopEverything();
  for (const close of closers.splice(0)) await close();
});

const NAMES = ['a', 'b', 'c'];

/** Steps that write down the pids of their shell and its child, and, at their first attempt, go on for minutes. */
function longSteps(folder: string): object {
  const run =
    'if [ "$HOLDFAST_ATTEMPT" -gt 1 ]; then exit; fi; sleep 300 & echo "$$ $!" > "$FOLDER/$HOLDFAST_STEP"; wait';
  return {
    name: 'long',
    steps: NAMES.map((name) => ({ name, uses: 'shell', with: { run, env: { FOLDER: folder } } })),
  };
}

describe('a server killed while shell steps run', () => {
  it('leaves no command and no file of theirs behind, and another server on its database takes its steps over in seconds', async () => {
    const database = await testDatabase();
    closers.push(database.close);
    const folder = newDataDir({ mode: 0o700 });
    const settings = { DATABASE_URL: database.url };
    const TMPDIR = newDataDir({ mode: 0o700 });
    const doomed = await startServer({ ...settings, TMPDIR });
    const id = await submit(doomed, longSteps(folder));
    const files = NAMES.map((name) => join(folder, name));
    await until(() => files.every((file) => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n')));
    const pids = files.flatMap((file) => readFileSync(file, 'utf8').trim().split(' ').map(Number));
    expect(pids.filter(isRunning)).toHaveLength(6);
    const other = await startServer(settings);

    const killedAt = Date.now();
    await doomed.kill();
    await until(() => pids.filter(isRunning).length === 0, 2_000);
    await until(() => readdirSync(TMPDIR).length === 0, 2_000);
    expect(await untilJob(other, id, isOver)).toMatchObject({ status: 'succeeded' });
    const steps = await Promise.all(NAMES.map((name) => getStep(other, id, name)));
    for (const step of steps) {
      expect(step).toMatchObject({ attempt: 2, failures: 0 });
      expect(step.attempts.map(({ outcome }: { outcome: string }) => outcome)).toEqual(['lost', 'succeeded']);
    }
    const resumed = Math.min(...steps.map(({ started_at }) => Date.parse(started_at))) - killedAt;
    console.log(`another server resumed the first step ${resumed} ms after the kill`);
    expect(resumed).toBeLessThan(8_000);
  });
});
