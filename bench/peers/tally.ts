import pg from 'pg';
import { ALONE_AT_MOST, needsOf, type Shape, type Verdict } from './contestant.ts';

const PATIENCE_MS = 300_000;
const LOOK_EVERY_MS = 20;

/** Counts the executions of every step, and sees to it that none comes before its needs. */
export interface Tally {
  /** To be called by the step, with the numbers of job and step from 0. */
  ran(job: number, step: number): void;
  total(): number;
  /** Resolves when the last step of a job has run. */
  lastRan(job: number): Promise<void>;
  /** Of the first `jobs`; those that come one at a time later are not judged. */
  verdict(watched: number): Verdict;
}

export function createTally(jobs: number, shape: Shape): Tally {
  const needs = needsOf(shape);
  const times = new Uint8Array((jobs + ALONE_AT_MOST) * needs.length);
  const waiting = new Map<number, () => void>();
  let total = 0;
  let early = 0;
  return {
    ran: (job, step) => {
      const first = job * needs.length;
      if (needs[step]?.some((need) => times[first + need] === 0) !== false) early += 1;
      times[first + step] = (times[first + step] ?? 0) + 1;
      total += 1;
      if (step === needs.length - 1) waiting.get(job)?.();
    },
    lastRan: (job) => new Promise((resolve) => waiting.set(job, resolve)),
    total: () => total,
    verdict: (watched) => {
      const judged = times.subarray(0, jobs * needs.length);
      const never = judged.filter((count) => count === 0).length;
      const again = judged.filter((count) => count > 1).length;
      return {
        ran: total,
        wrong: [
          ...(never > 0 ? [`${never} steps never ran`] : []),
          ...(again > 0 ? [`${again} steps ran more than once`] : []),
          ...(early > 0 ? [`${early} steps ran before their needs, or are not known`] : []),
        ],
        watched,
        logged: null,
      };
    },
  };
}

/** Looks into the contestant's database without being counted as part of the contestant. */
export interface Watcher {
  /** Resolves once the statement gives true as its only value. */
  until(statement: string): Promise<void>;
  rows<Row>(statement: string, values?: unknown[]): Promise<Row[]>;
  /** How many transactions it made so far. */
  looked(): number;
  close(): Promise<void>;
}

export async function watch(url: string): Promise<Watcher> {
  const client = new pg.Client(url);
  await client.connect();
  let looked = 0;
  const rows = async <Row>(statement: string, values: unknown[] = []) => {
    looked += 1;
    return (await client.query(statement, values)).rows as Row[];
  };
  return {
    rows,
    until: (statement) =>
      until(async () => {
        const [row] = await rows<Record<string, unknown>>(statement);
        return row !== undefined && Object.values(row)[0] === true;
      }),
    looked: () => looked,
    close: () => client.end(),
  };
}

/** Asks every few milliseconds until the answer is true. */
export async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it did not end');
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** Calls `work` for each number below `count`, `width` at a time. */
export async function inParallel(
  count: number,
  width: number,
  work: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(width, count) }, async () => {
      while (next < count) await work(next++);
    }),
  );
}

/** The numbers below `count`, in portions of `size`. */
export function portions(count: number, size: number): number[][] {
  return Array.from({ length: Math.ceil(count / size) }, (_, portion) =>
    Array.from({ length: Math.min(size, count - portion * size) }, (_, index) => portion * size + index),
  );
}
