import { execFile } from 'node:child_process';
import { accessSync, constants as fsConstants } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { constants as osConstants, tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { LIMITS } from '../../domain/limits.ts';
import type { Action, ActionContext, ActionOutcome } from '../action.ts';
import { tellAll, withInvalid } from '../check-with.ts';
import { buildOutput, createDecoder, createTail, type Tail } from './output.ts';
import { createPipeStock, type PipeStock } from './pipes.ts';
import { runShell, type ShellCommand, type ShellEnd } from './process.ts';
import { checkEnv, checkRun, checkTemplate, renderEnv, type ShellWith, shellWith } from './with.ts';

/** Of stderr a failure keeps this much; the rest is in the log. */
const STDERR_TAIL_BYTES = 4096;

/**
 * The action `shell`. `environment` is the server's own, of which a script gets `PATH`, `HOME`, `LANG` and
 * the names in `allowed` (`SHELL_ENV`) only. A script's output is `{exit_code, stdout, json}`: stdout without
 * its last newline, and the same parsed, or null; where it is longer than an output may be, `stdout` is a
 * line that says so and its end. Fails with `exit_code`, `cwd_not_found`, `shell_not_started`, `aborted`
 * (retryable), and `with_invalid` (not).
 */
export function createShell(options: {
  environment: Readonly<Record<string, string | undefined>>;
  allowed: readonly string[];
}): Action {
  const base = pickEnvironment(options.environment, options.allowed);
  const setup: Setup = { base, shell: findShell(base.PATH ?? ''), pipes: createPipeStock() };
  return {
    uses: 'shell',
    summary: "Runs a script on the server's machine; its output is `{exit_code, stdout, json}`.",
    with: shellWith,
    instant: false,
    check: checkTemplate,
    run: (with_, context) => runStep(with_ as ShellWith, context, setup),
  };
}

/** What all steps share. */
interface Setup {
  /** The part of the server's environment that scripts get. */
  base: Record<string, string>;
  shell: readonly string[];
  pipes: PipeStock;
}

async function runStep(with_: ShellWith, context: ActionContext, setup: Setup): Promise<ActionOutcome> {
  const problems = [...checkEnv(with_.env ?? {}, ''), ...checkRun(with_.run, '')];
  if (problems.length > 0) return withInvalid(tellAll(problems));
  if (with_.cwd !== undefined && !(await isFolder(with_.cwd))) return cwdNotFound(with_.cwd);
  const env = { ...setup.base, ...renderEnv(with_.env ?? {}), ...claimEnv(context.claim) };
  const command = [...setup.shell, '-c', with_.run, 'run'];
  let folder = '';
  try {
    if (with_.cwd === undefined) folder = await mkdtemp(path.join(tmpdir(), 'holdfast-step-'));
    const cwd = with_.cwd ?? folder;
    return await runCommand({ command, env, cwd, folder, pipes: setup.pipes }, context);
  } catch (error) {
    return notStarted(error as NodeJS.ErrnoException);
  } finally {
    if (folder !== '') await removeFolder(folder, context);
  }
}

async function runCommand(
  command: Pick<ShellCommand, 'command' | 'cwd' | 'env' | 'folder' | 'pipes'>,
  context: ActionContext,
): Promise<ActionOutcome> {
  const stdout = createTail(LIMITS.valueBytes);
  const stderr = createTail(STDERR_TAIL_BYTES);
  const stdoutLog = createLog(context, stdout);
  const stderrLog = createLog(context, stderr);
  const { signal } = context;
  const end = await runShell({ ...command, signal, onStdout: stdoutLog.write, onStderr: stderrLog.write });
  stdoutLog.end();
  stderrLog.end();
  if (end.kind !== 'ended' || end.exitCode !== 0) return toFailure(end, stderr);
  const { output, cut } = buildOutput(end.exitCode, stdout);
  if (cut) context.log('holdfast: stdout is longer than an output may be; the output keeps its end\n');
  return { kind: 'succeeded', output };
}

function createLog(context: ActionContext, tail: Tail): { write(chunk: Uint8Array): void; end(): void } {
  const decoder = createDecoder();
  let total = 0;
  return {
    write(chunk) {
      tail.push(chunk);
      // The log is full by then; decoding a flood that nobody keeps would be work for nothing.
      if (total <= LIMITS.logBytesPerAttempt) context.log(decoder.decode(chunk));
      total += chunk.length;
    },
    end() {
      const rest = decoder.end();
      if (rest !== '' && total <= LIMITS.logBytesPerAttempt) context.log(rest);
    },
  };
}

function toFailure(end: ShellEnd, stderr: Tail): ActionOutcome {
  if (end.kind === 'aborted') {
    return { kind: 'failed', error: { code: 'aborted', message: 'the script was stopped' }, retryable: true };
  }
  const signal = end.kind === 'killed' ? end.signal : signalOf(end.exitCode);
  const exitCode = end.kind === 'ended' ? end.exitCode : null;
  const text = stderr.text();
  const how =
    exitCode === null ? `was killed (${signal})` : `exited with ${exitCode}${signal ? ` (${signal})` : ''}`;
  const last = text.trimEnd().split('\n').at(-1)?.trim().slice(0, 300) ?? '';
  return {
    kind: 'failed',
    error: {
      code: 'exit_code',
      message: last === '' ? `the script ${how}` : `the script ${how}: ${last}`,
      details: { exit_code: exitCode, signal, stderr: text },
    },
    retryable: true,
  };
}

/** Shells tell a death by signal n as 128 + n, also that of a script's child under `-e`. */
function signalOf(exitCode: number): string | null {
  const entry = Object.entries(osConstants.signals).find(([, number]) => number === exitCode - 128);
  return entry?.[0] ?? null;
}

function notStarted(error: NodeJS.ErrnoException): ActionOutcome {
  // A bug of ours has no system call to blame, and is not to be taken for the machine's state.
  if (error.syscall === undefined && error.code === undefined) throw error;
  const what = [error.code, error.syscall].filter((part) => part !== undefined).join(', ');
  const message = `the script could not be started (${what})`;
  return { kind: 'failed', error: { code: 'shell_not_started', message }, retryable: true };
}

function cwdNotFound(cwd: string): ActionOutcome {
  const message = `\`cwd\`: there is no folder ${JSON.stringify(cwd)} on the server's machine`;
  return { kind: 'failed', error: { code: 'cwd_not_found', message }, retryable: true };
}

function claimEnv(claim: ActionContext['claim']): Record<string, string> {
  return {
    HOLDFAST_JOB_ID: claim.job_id,
    HOLDFAST_STEP: claim.step,
    HOLDFAST_ATTEMPT: String(claim.attempt),
    HOLDFAST_CLAIM_ID: claim.id,
  };
}

function pickEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  allowed: readonly string[],
): Record<string, string> {
  const picked: Record<string, string> = { PATH: '/usr/local/bin:/usr/bin:/bin' };
  for (const name of ['PATH', 'HOME', 'LANG', ...allowed]) {
    const value = environment[name];
    if (value !== undefined) picked[name] = value;
  }
  return picked;
}

/** Looked up once and by its full path, so that a step's own `PATH` does not choose who reads its script. */
function findShell(searchPath: string): readonly string[] {
  for (const folder of searchPath.split(':')) {
    if (!path.isAbsolute(folder)) continue;
    const bash = path.join(folder, 'bash');
    try {
      accessSync(bash, fsConstants.X_OK);
      return [bash, '-eo', 'pipefail'];
    } catch {
      // Not here.
    }
  }
  return ['/bin/sh', '-e'];
}

async function isFolder(name: string): Promise<boolean> {
  return stat(name).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
}

async function removeFolder(folder: string, context: ActionContext): Promise<void> {
  const remove = () => rm(folder, { recursive: true, force: true, maxRetries: 3 });
  try {
    // A folder without write permission keeps what is in it, unless its owner gives it back.
    await remove().catch(() => promisify(execFile)('chmod', ['-R', 'u+rwX', folder]).then(remove));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    context.log(`holdfast: the temporary folder ${folder} could not be removed: ${code}\n`);
  }
}
