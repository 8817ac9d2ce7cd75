import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRunning, outputOf, pidsIn, type StartedStep, startShell } from './shell-step.ts';

let folder: string;
const before = process.env.TMPDIR;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'shell-test-'));
  process.env.TMPDIR = folder;
});

afterAll(() => {
  if (before === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = before;
  rmSync(folder, { recursive: true, force: true });
});

const patient = { timeout: 10_000, interval: 10 };

async function pidsOf(step: StartedStep, count: number): Promise<number[]> {
  await expect.poll(() => pidsIn(step.log()), patient).toHaveLength(count);
  return pidsIn(step.log());
}

describe('an aborted step', () => {
  it('ends at once with everything that it started', async () => {
    const step = startShell({
      run: 'echo "main=$$"; sleep 300 & echo "child=$!"; (sleep 300 & echo "grandchild=$!"; wait) & wait',
    });
    const pids = await pidsOf(step, 3);
    const start = performance.now();
    step.abort();
    expect(await step.outcome).toEqual({
      kind: 'failed',
      error: { code: 'aborted', message: 'the script was stopped' },
      retryable: true,
    });
    expect(performance.now() - start).toBeLessThan(1500);
    expect(pids.filter(isRunning)).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('takes along commands that made a process group of their own', async () => {
    const step = startShell({
      run: `echo "main=$$"; timeout 300 bash -c 'echo "inner=$$"; sleep 300; :' ; echo on`,
    });
    const pids = await pidsOf(step, 2);
    step.abort();
    await step.outcome;
    await expect.poll(() => pids.filter(isRunning), patient).toEqual([]);
    expect(step.log()).not.toContain('on\n');
  });

  it('may clean up on TERM', async () => {
    const step = startShell({
      run: `trap 'echo cleaned; exit 0' TERM; echo "main=$$"; while :; do sleep 0.05; done`,
    });
    await pidsOf(step, 1);
    step.abort();
    expect(await step.outcome).toMatchObject({ kind: 'failed', error: { code: 'aborted' } });
    expect(step.log()).toContain('cleaned');
  });

  it('is killed two seconds later when it ignores TERM', async () => {
    const step = startShell({
      run: `trap '' TERM; echo "main=$$"; sleep 300 & echo "child=$!"
        set -m; sleep 300 & echo "other=$!"; set +m; wait; sleep 300`,
    });
    const pids = await pidsOf(step, 3);
    const start = performance.now();
    step.abort();
    await step.outcome;
    const took = performance.now() - start;
    expect(took).toBeGreaterThan(1900);
    expect(took).toBeLessThan(5000);
    await expect.poll(() => pids.filter(isRunning), patient).toEqual([]);
  });

  it('does not start when the abort came first', async () => {
    const step = startShell({ run: 'echo started' });
    step.abort();
    expect(await step.outcome).toMatchObject({ kind: 'failed', error: { code: 'aborted' } });
    expect(step.log()).toBe('');
  });
});

describe('a script that ends', () => {
  it('leaves no background process behind', async () => {
    const step = startShell({ run: 'sleep 300 & echo "one=$!"; sleep 300 > /dev/null 2>&1 & echo "two=$!"' });
    expect(await step.outcome).toMatchObject({ kind: 'succeeded' });
    const pids = await pidsOf(step, 2);
    await expect.poll(() => pids.filter(isRunning), patient).toEqual([]);
  });

  it('is not held up by a process that left its session', async () => {
    const start = performance.now();
    const { stdout } = await outputOf({ run: 'setsid sleep 300 & sleep 0.1; echo "daemon=$!"' });
    expect(performance.now() - start).toBeLessThan(5000);
    for (const pid of pidsIn(stdout)) process.kill(pid, 'SIGKILL');
  });
});

describe('a server that is killed', () => {
  const catalogue = new URL('../../src/actions/catalogue.ts', import.meta.url).href;
  const server = (run: string) => `
    import { createCatalogue } from ${JSON.stringify(catalogue)};
    const catalogue = createCatalogue({ actions: ['shell'], shellEnv: [], environment: process.env });
    await catalogue.get('shell').run({ run: ${JSON.stringify(run)} }, {
      signal: new AbortController().signal,
      log: (chunk) => process.stdout.write(chunk),
      progress() {},
      claim: { id: 'c', job_id: 'j', step: 's', attempt: 1, retry_round: 0 },
    });`;

  it.each([
    ['a plain script', 'echo "main=$$"; sleep 300 & echo "child=$!"; echo "parent=$PPID"; sleep 300'],
    [
      'one that ignores signals and makes groups of its own',
      `trap '' TERM HUP INT; echo "main=$$"; timeout 300 sleep 300 & echo "child=$!"
        echo "parent=$PPID"; sleep 300; sleep 300`,
    ],
  ])('takes all processes of its steps along: %s', async (_name, run) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', server(run)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let log = '';
    child.stdout.on('data', (chunk) => {
      log += chunk;
    });
    try {
      await expect.poll(() => pidsIn(log), patient).toHaveLength(3);
    } finally {
      child.kill('SIGKILL');
    }
    const pids = pidsIn(log);
    await expect.poll(() => pids.filter(isRunning), { timeout: 3000, interval: 10 }).toEqual([]);
    await expect.poll(() => readdirSync(folder), patient).toEqual([]);
  });
});
