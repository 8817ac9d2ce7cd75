import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Seen } from './watch-thread.ts';

export type { Seen };

/** Looks at a server from a thread of its own: the flood's own troubles must not be taken for the server's. */
export interface Watch {
  /** What was seen since the last time. */
  seen(): Promise<Seen>;
  stop(): Promise<void>;
}

/** Asks `/livez` ten times a second, and extends these claims more than twice a second. */
export function startWatch(port: number, claims: readonly string[]): Watch {
  const thread = new Worker(new URL('./watch-thread.ts', import.meta.url), {
    workerData: { port, claims },
    execArgv: [],
  });
  return {
    async seen() {
      thread.postMessage('seen?');
      const [seen] = (await once(thread, 'message')) as [Seen];
      return seen;
    },
    async stop() {
      await thread.terminate();
    },
  };
}

const MIB = 1024 * 1024;

/** Watches how much memory a process takes (MiB, resident). Linux alone tells. */
export function watchMemory(pid: number): { now(): number; peak(): number; stop(): void } {
  const field = (name: string) => {
    const found = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(read(pid));
    return (Number(found?.[1] ?? 0) * 1024) / MIB;
  };
  let peak = 0;
  // The kernel's own high-water mark cannot be put back between two floods.
  const look = () => {
    peak = Math.max(peak, field('VmRSS'));
  };
  const timer = setInterval(look, 50);
  return {
    now: () => field('VmRSS'),
    peak() {
      look();
      const highest = peak;
      peak = 0;
      return highest;
    },
    stop: () => clearInterval(timer),
  };
}

// Of a process that has ended: nothing.
function read(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return '';
  }
}
