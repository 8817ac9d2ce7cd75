import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import { failureOf, isRunning, outputOf, pidsIn, runShell, startShell, stdoutOf } from './shell-step.ts';

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

describe('output', () => {
  it('is stdout without its last newline, and no more of it', async () => {
    expect(await outputOf({ run: 'echo hi' })).toEqual({ exit_code: 0, stdout: 'hi', json: null });
    expect(await outputOf({ run: 'printf "a\\n\\n"' })).toEqual({ exit_code: 0, stdout: 'a\n', json: null });
    expect(await outputOf({ run: ':' })).toEqual({ exit_code: 0, stdout: '', json: null });
  });

  it('holds what stdout says as JSON', async () => {
    expect((await outputOf({ run: `echo '{"rows": [1, "é"]}'` })).json).toEqual({ rows: [1, 'é'] });
    expect((await outputOf({ run: 'echo 1e999' })).json).toBeNull();
    expect((await outputOf({ run: 'echo 12345678901234567890' })).json).toBeNull();
  });

  it('comes with stdout and stderr in the log', async () => {
    const { outcome, log } = await runShell({ run: 'echo out; echo err >&2' });
    expect(outcome).toEqual({ kind: 'succeeded', output: { exit_code: 0, stdout: 'out', json: null } });
    expect(log.split('\n').sort()).toEqual(['', 'err', 'out']);
  });

  it('reaches the log while the script runs', async () => {
    const step = startShell({
      run: `echo first; until [ -e "${folder}/go" ]; do sleep 0.02; done; echo last`,
    });
    await expect.poll(() => step.log(), { timeout: 10_000 }).toBe('first\n');
    await runShell({ run: `touch "${folder}/go"` });
    await step.outcome;
    expect(step.log()).toBe('first\nlast\n');
  });

  it('can be written to /dev/stdout and /dev/stderr', async () => {
    const { outcome, log } = await runShell({ run: 'echo a > /dev/stdout; echo b | tee /dev/stderr' });
    expect(outcome).toMatchObject({ kind: 'succeeded', output: { stdout: 'a\nb' } });
    expect(log.split('\n').sort()).toEqual(['', 'a', 'b', 'b']);
  });

  it('turns invalid UTF-8 and NUL into U+FFFD, and keeps characters that arrive in pieces', async () => {
    const run = `printf 'a\\377b\\000c'; printf '\\303'; sleep 0.05; printf '\\251'`;
    const { outcome, log } = await runShell({ run });
    expect(outcome).toMatchObject({ output: { stdout: 'a\uFFFDb\uFFFDcé' } });
    expect(log).toBe('a\uFFFDb\uFFFDcé');
  });

  it('keeps the end of a stdout that is too long, and says so', async () => {
    const { outcome, log } = await runShell({ run: 'seq 1 60000' }, {});
    const { stdout, json, bytes } = stdoutOf(outcome);
    const [mark, cutLine, next] = stdout.split('\n');
    expect(mark).toMatch(/^\[only the end of stdout is kept here/);
    expect(Number(next)).toBeGreaterThanOrEqual(Number(cutLine));
    expect(stdout).toMatch(/\n59999\n60000$/);
    expect(json).toBeNull();
    expect(bytes).toBeLessThanOrEqual(LIMITS.valueBytes);
    expect(log).toMatch(/^1\n2\n3\n/);
    expect(log).toMatch(/\n60000\nholdfast: stdout is longer/);
  });

  it('does not grow the memory, nor hold up others, however much a script writes', async () => {
    let logged = 0;
    const onLog = (chunk: string | Uint8Array) => {
      logged += chunk.length;
    };
    const used = () => process.memoryUsage().rss;
    const start = used();
    let peak = start;
    const timer = setInterval(() => {
      peak = Math.max(peak, used());
    }, 5);
    const flood = startShell(
      { run: 'head -c 200000000 /dev/zero | tr "\\\\0" x; echo; echo end' },
      { onLog },
    );
    expect((await outputOf({ run: 'echo meanwhile' })).stdout).toBe('meanwhile');
    const outcome = await flood.outcome;
    clearInterval(timer);
    expect(stdoutOf(outcome).stdout).toMatch(/x\nend$/);
    expect(logged).toBeGreaterThan(LIMITS.logBytesPerAttempt);
    expect(logged).toBeLessThan(LIMITS.logBytesPerAttempt + 1_000_000);
    // Room for what the garbage collector has not fetched yet; the script wrote far more.
    expect(peak - start).toBeLessThan(120_000_000);
  });
});

describe('failure', () => {
  it('tells the exit code and the last words of stderr, and may be retried', async () => {
    expect(await failureOf({ run: 'echo first >&2; echo oops >&2; exit 3' })).toEqual({
      kind: 'failed',
      error: {
        code: 'exit_code',
        message: 'the script exited with 3: oops',
        details: { exit_code: 3, signal: null, stderr: 'first\noops\n' },
      },
      retryable: true,
    });
  });

  it.each([0, 1, 2, 126, 127, 128, 129, 143, 254, 255])('reports exit code %i exactly', async (code) => {
    const { outcome } = await runShell({ run: `exit ${code}` });
    const found =
      outcome.kind === 'succeeded' ? outcome.output : outcome.kind === 'failed' ? outcome.error.details : {};
    expect(found).toMatchObject({ exit_code: code });
  });

  it('comes from any command that fails, also inside a pipe', async () => {
    expect((await runShell({ run: 'false; echo on' })).log).toBe('');
    expect((await failureOf({ run: 'false; echo on' })).error.details).toMatchObject({ exit_code: 1 });
    expect((await failureOf({ run: '(exit 7) | cat' })).error.details).toMatchObject({ exit_code: 7 });
  });

  it('names the signal that ended the script', async () => {
    const { error } = await failureOf({ run: 'kill -KILL $$' });
    expect(error.message).toBe('the script exited with 137 (SIGKILL)');
    expect(error.details).toMatchObject({ exit_code: 137, signal: 'SIGKILL' });
  });

  it('is told when a script kills its own group, or its watcher alone', async () => {
    expect((await failureOf({ run: 'kill -TERM 0; sleep 60' })).error.details).toMatchObject({
      exit_code: 143,
    });
    expect((await failureOf({ run: 'kill -KILL 0; sleep 60' })).error.details).toMatchObject({
      exit_code: null,
      signal: 'SIGKILL',
    });
    const { log } = await runShell({ run: 'echo "pid=$$"; kill -KILL $PPID; sleep 60' });
    await expect.poll(() => pidsIn(log).filter(isRunning), { timeout: 5000 }).toEqual([]);
  });

  it('keeps only the end of a long stderr', async () => {
    const { error } = await failureOf({ run: 'seq 1 5000 >&2; exit 1' });
    const { stderr } = error.details as { stderr: string };
    expect(stderr.length).toBeLessThanOrEqual(4096);
    expect(stderr).toMatch(/4999\n5000\n$/);
    expect(error.message).toBe('the script exited with 1: 5000');
  });

  it('names a folder that is not there', async () => {
    const { error } = await failureOf({ run: 'pwd', cwd: path.join(folder, 'none') });
    expect(error).toMatchObject({ code: 'cwd_not_found', message: expect.stringContaining('/none') });
  });

  it('says that the script could not be started, not what the server looks like inside', async () => {
    process.env.TMPDIR = path.join(folder, 'none');
    const failure = await failureOf({ run: 'echo hi' }).finally(() => {
      process.env.TMPDIR = folder;
    });
    expect(failure).toEqual({
      kind: 'failed',
      error: { code: 'shell_not_started', message: 'the script could not be started (ENOENT, mkdtemp)' },
      retryable: true,
    });
  });
});

describe('environment', () => {
  it('gives strings as they are and everything else as JSON', async () => {
    const env = { A: 'x "y"\n$z', N: 1.5, B: true, Z: null, L: [1, { a: 'b' }], E: '' };
    const run = 'printf "%s|" "$A" "$N" "$B" "$Z" "$L" "$E"';
    expect((await outputOf({ run, env })).stdout).toBe('x "y"\n$z|1.5|true|null|[1,{"a":"b"}]||');
  });

  it('is PATH, HOME, LANG, the names in SHELL_ENV and the claim, and nothing else', async () => {
    const environment = {
      PATH: '/usr/bin:/bin',
      HOME: '/h',
      LANG: 'C',
      SECRET: 's',
      REGION: 'eu',
      DATABASE_URL: 'd',
    };
    const { stdout } = await outputOf(
      { run: 'env', env: { MINE: '1' } },
      { environment, shellEnv: ['REGION', 'NOT_SET'] },
    );
    // PWD, SHLVL and _ are bash's own.
    const names = stdout.split('\n').filter((line) => !/^(PWD|OLDPWD|SHLVL|_)=/.test(line));
    expect(names.sort()).toEqual([
      'HOLDFAST_ATTEMPT=2',
      'HOLDFAST_CLAIM_ID=claim-1',
      'HOLDFAST_JOB_ID=job-1',
      'HOLDFAST_STEP=main',
      'HOME=/h',
      'LANG=C',
      'MINE=1',
      'PATH=/usr/bin:/bin',
      'REGION=eu',
    ]);
  });

  it('refuses names that are none, reserved ones, and values that no process can take', async () => {
    expect(await failureOf({ run: ':', env: { 'A B': '1' } })).toMatchObject({
      error: { code: 'with_invalid' },
    });
    expect((await failureOf({ run: ':', env: { HOLDFAST_STEP: 'x' } })).error.message).toContain('reserved');
    const large = await failureOf({ run: ':', env: { ROWS: 'x'.repeat(131_072) } });
    expect(large).toMatchObject({ error: { code: 'with_invalid' }, retryable: false });
    expect((await outputOf({ run: 'echo ${#ROWS}', env: { ROWS: 'x'.repeat(131_066) } })).stdout).toBe(
      '131066',
    );
  });

  it('gives an empty stdin and no descriptor of the server', async () => {
    expect((await outputOf({ run: 'cat; echo end' })).stdout).toBe('end');
    expect(
      (await outputOf({ run: '[ ! -e /proc/self/fd/3 ] && [ ! -e /proc/self/fd/4 ] && echo none' })).stdout,
    ).toBe('none');
  });
});

describe('folder', () => {
  it('is a new one, which is removed afterwards with all that is in it', async () => {
    const { stdout } = await outputOf({ run: 'mkdir -p a/b; echo x > a/b/c; chmod 500 a/b; ls; pwd' });
    const [listing, used] = stdout.split('\n');
    expect(listing).toBe('a');
    expect(path.dirname(used ?? '')).toBe(folder);
    expect(existsSync(used ?? '')).toBe(false);
  });

  it('is removed after a failure too', async () => {
    await failureOf({ run: 'touch x; exit 1' });
    expect(readdirSync(folder).filter((name) => name.startsWith('holdfast-'))).toEqual([]);
  });

  it('is `cwd` where one is given, and that one stays', async () => {
    const cwd = mkdtempSync(path.join(folder, 'mine-'));
    expect((await outputOf({ run: 'pwd; touch here', cwd })).stdout).toBe(cwd);
    expect(readdirSync(cwd)).toEqual(['here']);
  });
});

it('runs twenty steps at once without mixing them up', async () => {
  const outputs = await Promise.all(
    Array.from({ length: 20 }, (_, index) => outputOf({ run: 'sleep 0.1; echo "$N"', env: { N: index } })),
  );
  expect(outputs.map((output) => output.json)).toEqual(Array.from({ length: 20 }, (_, index) => index));
  expect(readdirSync(folder).filter((name) => name.startsWith('holdfast-'))).toEqual([]);
});

it('runs by `sh -e` where there is no bash', async () => {
  const cwd = mkdtempSync(path.join(folder, 'no-bash-'));
  const environment = { PATH: cwd };
  expect((await outputOf({ run: 'echo "$0 ${BASH_VERSION:-none}"' }, { environment })).stdout).toBe(
    'run none',
  );
  expect((await runShell({ run: 'nope; echo on' }, { environment })).log).not.toContain('on\n');
});
