import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { until } from '../support/embedded.ts';
import { ROOT } from '../support/server-process.ts';

/** As npm links it. */
export const PROGRAM = join(ROOT, 'scripts/holdfast.cjs');

export interface Ran {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The command while it runs. */
export interface Running {
  child: ChildProcess;
  stdout(): string;
  stderr(): string;
  /** Waits until standard output holds it. */
  says(text: string | RegExp): Promise<void>;
  /** Sends a signal, if one is given, and waits for the end. */
  end(signal?: NodeJS.Signals): Promise<Ran>;
}

export interface RunOptions {
  /** Instead of the pinned Node and the program: a whole command for bash. */
  bash?: string;
  input?: string;
  env?: Record<string, string>;
}

const children = new Set<ChildProcess>();
process.on('exit', killAll);

/** Ends what a failed test left behind. */
export function killAll(): void {
  for (const child of children) child.kill('SIGKILL');
}

/** Starts the command as somebody would who works with the server at `url`. */
export function start(url: string, args: string[], { bash, input, env = {} }: RunOptions = {}): Running {
  const { PATH = '', HOME = '' } = process.env;
  const [file, all] = bash === undefined ? [process.execPath, [PROGRAM, ...args]] : ['bash', ['-c', bash]];
  const child = spawn(file, all, {
    cwd: ROOT,
    env: { PATH, HOME, HOLDFAST_SERVER: url, HOLDFAST: PROGRAM, ...env },
    stdio: 'pipe',
  });
  children.add(child);
  const streams = [child.stdout, child.stderr].map((stream) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    return () => Buffer.concat(chunks).toString();
  });
  const [stdout, stderr] = streams as [() => string, () => string];
  // One that refuses what was typed does not read.
  child.stdin.on('error', () => {}).end(input ?? '');
  const closed = once(child, 'close').finally(() => children.delete(child));
  return {
    child,
    stdout,
    stderr,
    says: (text) => until(() => (typeof text === 'string' ? stdout().includes(text) : text.test(stdout()))),
    end: async (signal) => {
      if (signal !== undefined) child.kill(signal);
      const [code] = (await closed) as [number | null];
      return { code, stdout: stdout(), stderr: stderr() };
    },
  };
}

/** Runs the command to its end. */
export function run(url: string, args: string[], options: RunOptions = {}): Promise<Ran> {
  return start(url, args, options).end();
}
