import { type ChildProcess, spawn } from 'node:child_process';
import type { Duplex, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { LIMITS } from '../../domain/limits.ts';
import type { OutputPipe, PipeStock } from './pipes.ts';

const WATCHER = fileURLToPath(new URL('./watcher.sh', import.meta.url));
/** Milliseconds between the polite and the hard end of an aborted command. */
const GRACE = 2000;
/** Milliseconds that a process which left the group may hold the output open after the command's end. */
const STRAGGLERS = 500;
/** Bytes read at once of an output that is longer than the log keeps. */
const FLOOD_BYTES = 256 * 1024;

export interface ShellCommand {
  /** Program and arguments. */
  command: readonly string[];
  cwd: string;
  /** The whole environment of the command. */
  env: Record<string, string>;
  /** Removed by the watcher should this process die; empty for none. */
  folder: string;
  pipes: PipeStock;
  onStdout(chunk: Uint8Array): void;
  onStderr(chunk: Uint8Array): void;
  signal: AbortSignal;
}

export type ShellEnd =
  /** `exitCode` as shells tell it: 128 + n for signal n. */
  | { kind: 'ended'; exitCode: number }
  | { kind: 'aborted' }
  /** The whole group was killed from outside or by itself, with its watcher. */
  | { kind: 'killed'; signal: string };

/**
 * Runs a command in its own session and process group, led by a watcher that kills them all when this process
 * dies. Resolves when the command has ended and nothing of its group is left; on abort, TERM goes to the
 * whole session, and KILL 2 s later. Throws the operating system's error when the command cannot be started.
 */
export async function runShell(options: ShellCommand): Promise<ShellEnd> {
  const outputs: OutputPipe[] = [];
  let child: ChildProcess;
  try {
    outputs.push(await options.pipes.take());
    outputs.push(await options.pipes.take());
    options.signal.throwIfAborted();
    child = await start(options, outputs);
  } catch (error) {
    for (const pipe of outputs) pipe.discard();
    if (options.signal.aborted) return { kind: 'aborted' };
    throw error;
  }
  const [stdout, stderr] = outputs.map((pipe) => pipe.read()) as Readable[] as [Readable, Readable];
  readAll(child, stdout, options.onStdout);
  readAll(child, stderr, options.onStderr);
  return follow(child, [stdout, stderr], options.signal);
}

function start(options: ShellCommand, outputs: OutputPipe[]): Promise<ChildProcess> {
  const child = spawn('/bin/sh', [WATCHER, options.folder, ...options.command], {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: ['ignore', ...outputs.map((pipe) => pipe.writer), 'pipe'],
  });
  if (child.pid !== undefined) return Promise.resolve(child);
  return new Promise((_resolve, reject) => child.once('error', reject));
}

async function follow(child: ChildProcess, outputs: Readable[], signal: AbortSignal): Promise<ShellEnd> {
  const channel = child.stdio[3] as Duplex;
  let status = '';
  let aborted = false;
  let timer: NodeJS.Timeout | undefined;
  channel.on('data', (chunk: Buffer) => {
    status += chunk.toString('latin1');
  });
  // A reset while the other side goes away says no more than its end.
  channel.on('error', () => {});
  const abort = () => {
    // The command had ended before: its result stands.
    if (status !== '' || hasExited(child)) return;
    aborted = true;
    channel.write('stop\n');
    timer = setTimeout(() => {
      channel.destroy();
      // Should somebody have killed the watcher's ear, this still reaches the group.
      timer = setTimeout(() => killGroup(child), STRAGGLERS);
    }, GRACE);
  };
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  child.once('exit', () => {
    clearTimeout(timer);
    timer = cutOff([...outputs, channel]);
  });
  await Promise.all(
    [child, ...outputs].map((source) => new Promise((resolve) => source.once('close', resolve))),
  );
  clearTimeout(timer);
  signal.removeEventListener('abort', abort);
  if (aborted) return { kind: 'aborted' };
  if (/^\d+\n$/.test(status)) return { kind: 'ended', exitCode: Number(status) };
  return { kind: 'killed', signal: child.signalCode ?? `status ${child.exitCode}` };
}

/**
 * What left the group must not hold the step by its copy of the output; and should the watcher alone have
 * been killed, the end of the channel kills the rest.
 */
function cutOff(streams: Readable[]): NodeJS.Timeout {
  return setTimeout(() => {
    // After one more look at what has arrived, should this process have been too busy to read it.
    setImmediate(() => {
      for (const stream of streams) stream.destroy();
    });
  }, STRAGGLERS);
}

function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function killGroup(child: ChildProcess): void {
  // Only while the watcher lives is its number surely the group's.
  if (child.pid === undefined || hasExited(child)) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

/**
 * Past what the log keeps, reading pauses after each portion: the pipe fills, the script waits, and a flood
 * does not take the processor from the other steps.
 */
function readAll(child: ChildProcess, stream: Readable, onChunk: (chunk: Uint8Array) => void): void {
  let total = 0;
  let portion = 0;
  stream.on('data', (chunk: Buffer) => {
    onChunk(chunk);
    total += chunk.length;
    portion += chunk.length;
    if (total <= LIMITS.logBytesPerAttempt || portion < FLOOD_BYTES || hasExited(child)) return;
    portion = 0;
    stream.pause();
    setTimeout(() => stream.resume(), 1);
  });
  stream.on('error', () => {});
}
