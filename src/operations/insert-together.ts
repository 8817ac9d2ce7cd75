import { passesByItself } from '../database/sql-state.ts';
import type { Store } from '../database/store.ts';
import { inOneStatement } from '../database/transaction.ts';
import { AppError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { type Inserted, insertJobs, type NewJob } from '../repositories/insert-jobs.ts';

// Two statements at a time keep the database busy; what comes meanwhile goes together into the next one.
const AT_ONCE = 2;
const MOST_STEPS = 1_000;

interface Caller {
  job: NewJob;
  resolve(inserted: Inserted): void;
  reject(error: unknown): void;
}

interface Desk {
  waiting: Caller[];
  busy: number;
}

const desks = new WeakMap<Store, Desk>();

/**
 * Inserts a job; resolves once it is committed, or was left out because its idempotency key is taken. Jobs that are
 * submitted at the same time share a statement, and so its way to the database and its commit; one that is alone waits for
 * nobody. Refused with `overloaded` when too many wait.
 */
export async function insertTogether(store: Store, job: NewJob): Promise<Inserted> {
  const desk = desks.get(store) ?? { waiting: [], busy: 0 };
  desks.set(store, desk);
  if (desk.waiting.length >= LIMITS.requestsWaiting) {
    const detail = `${desk.waiting.length} jobs wait here to be stored; try again in a second, or at another server`;
    throw new AppError('overloaded', detail);
  }
  return await new Promise((resolve, reject) => {
    desk.waiting.push({ job, resolve, reject });
    if (desk.busy < AT_ONCE) void work(store, desk);
  });
}

async function work(store: Store, desk: Desk): Promise<void> {
  desk.busy += 1;
  while (desk.waiting.length > 0) await insert(store, nextOf(desk));
  desk.busy -= 1;
}

/** The jobs that have waited longest, as many as make a statement of bearable size; always one. */
function nextOf(desk: Desk): Caller[] {
  let steps = 0;
  const end = desk.waiting.findIndex(({ job }) => {
    steps += job.definition.steps.length;
    return steps > MOST_STEPS;
  });
  return desk.waiting.splice(0, end === -1 ? desk.waiting.length : Math.max(1, end));
}

async function insert(store: Store, callers: readonly Caller[]): Promise<void> {
  try {
    const jobs = callers.map(({ job }) => job);
    const inserted = await inOneStatement(store.db, (tx) => insertJobs(tx, jobs));
    for (const { resolve } of callers) resolve(inserted);
  } catch (error) {
    if (callers.length === 1 || passesByItself(error)) {
      for (const { reject } of callers) reject(error);
      return;
    }
    // One of them cannot be stored: the others must not suffer for it.
    for (const caller of callers) await insert(store, [caller]);
  }
}
