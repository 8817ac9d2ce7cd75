import { writeSync } from 'node:fs';
import type { DestinationStream } from 'pino';

const BUFFERED_BYTES = 4_096;
const BUFFERED_MS = 100;
/** How long a reader that is behind is waited for. */
const BEHIND_MS = 1_000;

/**
 * Lines for programs leave together, within 100 ms: a system call for each cost more than the step that it told of. What
 * is fatal (by `flushSync`), and the end of the process, let nothing wait. Lines that cannot be written, for a full disk
 * or a reader that is gone, are lost: the log must not keep a server from serving, nor from ending.
 */
export function bufferedOutput(fd = 1): DestinationStream & { flushSync(): void } {
  let lines: string[] = [];
  let length = 0;
  let timer: NodeJS.Timeout | undefined;
  const flushSync = () => {
    clearTimeout(timer);
    timer = undefined;
    const bytes = Buffer.from(lines.join(''));
    [lines, length] = [[], 0];
    writeAll(fd, bytes);
  };
  process.on('exit', flushSync);
  return {
    flushSync,
    write(line) {
      lines.push(line);
      length += line.length;
      if (length >= BUFFERED_BYTES) flushSync();
      else timer ??= setTimeout(flushSync, BUFFERED_MS).unref();
    },
  };
}

function writeAll(fd: number, bytes: Buffer): void {
  const deadline = performance.now() + BEHIND_MS;
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || performance.now() > deadline) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
