import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import type { When } from './statements.ts';

/** What a process is to perform, and at which of its statements it dies. */
export interface Order {
  name: string;
  request: unknown;
  number: number;
  when: When;
}

/** A process that is ready to perform one operation. */
export interface Child {
  pid: number;
  /** Gives the order and waits until the process is gone; `trouble` is what it complained of. */
  perform(order: Order): Promise<{ signal: string | null; trouble: string }>;
}

const SCRIPT = fileURLToPath(new URL('child.ts', import.meta.url));
const LONGEST_MS = 30_000;

const alive = new Set<ChildProcess>();

/** Starts a process on a database. `cache`: a folder for compiled code, which saves half of the time of a start. */
export async function startChild(url: string, cache: string): Promise<Child> {
  const process_ = spawn(process.execPath, [SCRIPT, url], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, NODE_COMPILE_CACHE: cache },
  });
  alive.add(process_);
  // It may be dead by the time it is written to; what became of it is told by its end.
  process_.stdin.on('error', () => {});
  const gone = once(process_, 'close').finally(() => alive.delete(process_));
  const trouble = text(process_.stderr);
  const [said] = await Promise.race([once(process_.stdout, 'data'), gone]);
  if (!Buffer.isBuffer(said)) throw new Error(`a process did not start: ${await trouble}`);
  return {
    pid: process_.pid ?? -1,
    async perform(order) {
      const timer = setTimeout(() => process_.kill('SIGTERM'), LONGEST_MS);
      process_.stdin.end(`${JSON.stringify(order)}\n`);
      const [, signal] = await gone;
      clearTimeout(timer);
      return { signal, trouble: (await trouble).trim() };
    },
  };
}

/** Waits until the database has noticed that the process is dead, and has ended what it was doing for it. */
export async function waitForSessions(pool: pg.Pool, pid: number): Promise<void> {
  const deadline = performance.now() + LONGEST_MS;
  for (;;) {
    const { rows } = await pool.query('select 1 from pg_stat_activity where application_name = $1', [
      `holdfast crash point ${pid}`,
    ]);
    if (rows.length === 0) return;
    if (performance.now() > deadline) throw new Error(`the database still has a session of process ${pid}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Ends every process that is still there, whatever it does. */
export async function killChildren(): Promise<void> {
  const ends = [...alive].map((process_) => {
    process_.kill('SIGKILL');
    return process_.exitCode === null && process_.signalCode === null ? once(process_, 'close') : null;
  });
  await Promise.all(ends);
}

/** Lets a process start and end in peace, which alone writes the compiled code that those which die would have to make. */
export async function fillCache(url: string, cache: string): Promise<void> {
  await startChild(url, cache);
  const [first] = alive;
  first?.stdin?.end();
  if (first) await once(first, 'close');
}
