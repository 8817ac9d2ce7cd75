import { sqlState } from '../database/sql-state.ts';
import type { Store } from '../database/store.ts';
import { inOneStatement } from '../database/transaction.ts';
import { AppError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { type Inserted, insertJobs, type NewJob } from '../repositories/insert-jobs.ts';

// Two statements at a time keep the database busy; what comes meanwhile goes together into the next one.
const AT_ONCE = 2;
const MOST_STEPS = 1_000;
// Whoever waits longer, because another one is held up, is told so.
const PATIENCE_MS = 5_000;

interface Caller {
  job: NewJob;
  timer: NodeJS.Timeout;
  resolve(inserted: Inserted): void;
  reject(error: unknown): void;
}

interface Desk {
  waiting: Set<Caller>;
  busy: number;
}

const desks = new WeakMap<Store, Desk>();

/**
 * Inserts a job; resolves once it is committed, or was left out because its idempotency key is taken. Jobs that are
 * submitted while two statements are on their way share the next one, and so its commit. Refused with `overloaded` when
 * too many wait, or for too long.
 */
export async function insertTogether(store: Store, job: NewJob): Promise<Inserted> {
  const desk = desks.get(store) ?? { waiting: new Set(), busy: 0 };
  desks.set(store, desk);
  if (desk.waiting.size >= LIMITS.requestsWaiting)
    throw tooLong(`${desk.waiting.size} jobs wait here to be stored`);
  return await new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      desk.waiting.delete(caller);
      reject(tooLong(`the job could not be stored within ${PATIENCE_MS / 1000} s`));
    }, PATIENCE_MS);
    const caller: Caller = { job, timer, resolve, reject };
    desk.waiting.add(caller);
    if (desk.busy < AT_ONCE) void work(store, desk);
  });
}

/** How many jobs wait to be stored. */
export function insertsWaiting(store: Store): number {
  return desks.get(store)?.waiting.size ?? 0;
}

function tooLong(what: string): AppError {
  return new AppError('overloaded', `${what}; try again in a second, or at another server`);
}

async function work(store: Store, desk: Desk): Promise<void> {
  desk.busy += 1;
  while (desk.waiting.size > 0) await insert(store, nextOf(desk));
  desk.busy -= 1;
}

/** Those who have waited longest, as many as make a statement of bearable size; always one. Now they are waited for. */
function nextOf(desk: Desk): Caller[] {
  const next: Caller[] = [];
  let steps = 0;
  for (const caller of desk.waiting) {
    steps += caller.job.definition.steps.length;
    if (next.length > 0 && steps > MOST_STEPS) break;
    next.push(caller);
    desk.waiting.delete(caller);
    clearTimeout(caller.timer);
  }
  // In one order of keys: two statements that wait for each other's would end by a deadlock.
  return next.sort((a, b) => ((a.job.idempotencyKey ?? '') < (b.job.idempotencyKey ?? '') ? -1 : 1));
}

// What is refused may be the fault of one of them: of what is in it, or of another request with the same key.
const OF_ONE = /^(2[23]...|55P03|40P01)$/;

async function insert(store: Store, callers: readonly Caller[]): Promise<void> {
  try {
    const jobs = callers.map(({ job }) => job);
    const inserted = await inOneStatement(store.db, (tx) => insertJobs(tx, jobs));
    for (const { resolve } of callers) resolve(inserted);
  } catch (error) {
    if (callers.length === 1 || !OF_ONE.test(sqlState(error) ?? '')) {
      for (const { reject } of callers) reject(error);
    } else await Promise.all(callers.map((caller) => insert(store, [caller])));
  }
}
