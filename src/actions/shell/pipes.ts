import { execFile } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

/** Pipes made by one call of `mkfifo`: its cost is shared by that many streams. */
const BATCH = 16;
/** With fewer left, the next batch is made while they last. */
const LOW = 8;

/** One pipe of the operating system, from a script to the server. */
export interface OutputPipe {
  /** The descriptor that the script gets. */
  writer: number;
  /** Gives the server's end and closes the writer, of which the script has a copy by then. */
  read(): Socket;
  /** Closes both ends of a pipe that is not used. */
  discard(): void;
}

export interface PipeStock {
  take(): Promise<OutputPipe>;
}

/**
 * Gives pipes for the output of scripts. Node's own `'pipe'` is a socket, which a script cannot open by the
 * name `/dev/stdout` or `/dev/stderr`: `echo … > /dev/stderr` and `tee /dev/stderr` would fail.
 */
export function createPipeStock(): PipeStock {
  const stock: OutputPipe[] = [];
  let filling: Promise<void> | null = null;
  const fill = () => {
    filling ??= makePipes(BATCH)
      .then((pipes) => void stock.push(...pipes))
      .finally(() => {
        filling = null;
      });
    return filling;
  };
  return {
    async take() {
      while (stock.length === 0) await fill();
      // A failure shows when the stock is empty and somebody waits for it.
      if (stock.length <= LOW) fill().catch(() => {});
      return stock.pop() as OutputPipe;
    },
  };
}

async function makePipes(count: number): Promise<OutputPipe[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-pipes-'));
  const pipes: OutputPipe[] = [];
  try {
    const names = Array.from({ length: count }, (_, index) => path.join(folder, String(index)));
    await promisify(execFile)('mkfifo', ['-m', '600', ...names]);
    for (const name of names) pipes.push(openPipe(name));
    return pipes;
  } catch (error) {
    for (const pipe of pipes) pipe.discard();
    throw error;
  } finally {
    // Open pipes need no name.
    await rm(folder, { recursive: true, force: true });
  }
}

function openPipe(name: string): OutputPipe {
  // Without O_NONBLOCK this end would wait for the other; a script expects its own end to block.
  const fd = openSync(name, constants.O_RDONLY | constants.O_NONBLOCK);
  let writer: number;
  try {
    writer = openSync(name, constants.O_WRONLY);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return {
    writer,
    read() {
      // Kept open here, the stream would never end.
      closeSync(writer);
      return new Socket({ fd, readable: true, writable: false });
    },
    discard() {
      closeSync(fd);
      closeSync(writer);
    },
  };
}
