import type { Store } from '../database/store.ts';
import { inTransaction } from '../database/transaction.ts';
import type { NormalJob } from '../domain/job-definition/normalise.ts';
import {
  findByIdempotencyKeys,
  type Inserted,
  insertJobs,
  type NewJob,
  readClock,
} from '../repositories/insert-jobs.ts';
import { announce } from './advance-jobs.ts';
import { draftSubmitted } from './draft-submitted.ts';
import { giveWay } from './give-way.ts';
import { settleNew } from './remember-drafts.ts';
import { idempotencyConflict } from './submit-job.ts';

/** Steps that one statement inserts: about a tenth of a second, far from any timeout, and little to hold in memory. */
const STEPS_A_STATEMENT = 4_000;

/** A job that a batch made: where it stood in the batch, and its id. */
export interface BatchedJob {
  index: number;
  id: string;
}

/**
 * Stores all jobs or none; when this returns they are committed. The same idempotency key again gives the jobs that it
 * made and that were not deleted since (`replayed`), in their order, or `idempotency_conflict` when the request is
 * another one (`requestHash` differs) or was a single submit.
 */
export async function submitBatch(
  store: Store,
  jobs: readonly NormalJob[],
  options: { idempotencyKey?: string | undefined; requestHash: string; traceparent?: string | null },
): Promise<{ jobs: BatchedJob[]; replayed: boolean }> {
  const keys = options.idempotencyKey === undefined ? null : keysOf(options.idempotencyKey, jobs.length);
  for (;;) {
    const { requestHash: hash, traceparent = null } = options;
    const drafted = await draftAll(store, jobs, { keys, hash, traceparent });
    const inserted = await inTurn(store, () => insertAll(store, drafted));
    if (inserted) {
      announceAll(store, drafted);
      return { jobs: drafted.map(({ draft }, index) => ({ index, id: draft.job.id })), replayed: false };
    }
    const existing = keys === null ? [] : await findByIdempotencyKeys(store.db, keys);
    const other = existing.find(({ definition_hash }) => definition_hash !== options.requestHash);
    if (other) throw idempotencyConflict(options.idempotencyKey as string, other.id);
    // All of them deleted in between: the key is free again.
    if (existing.length === 0) continue;
    const idOf = new Map(existing.map(({ idempotency_key, id }) => [idempotency_key, id]));
    const left = (keys as string[]).map((key, index) => ({ index, id: idOf.get(key) }));
    return { jobs: left.filter((job): job is BatchedJob => job.id !== undefined), replayed: true };
  }
}

/**
 * The key of each job. The first has the key as it came, so that it cannot also be a single submit's; the others add
 * their index behind a space, which no key of a client holds.
 */
function keysOf(key: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => (index === 0 ? key : `${key} ${index}`));
}

async function draftAll(
  store: Store,
  jobs: readonly NormalJob[],
  { keys, hash, traceparent }: { keys: readonly string[] | null } & Pick<NewJob, 'hash' | 'traceparent'>,
): Promise<NewJob[]> {
  const now = jobs.some((job) => job.run_at !== null) ? await readClock(store.db) : 0;
  const drafted: NewJob[] = [];
  const turn = giveWay();
  for (const [index, definition] of jobs.entries()) {
    drafted.push({
      draft: draftSubmitted(definition, now),
      definition,
      hash,
      traceparent,
      idempotencyKey: keys?.[index] ?? null,
    });
    await turn();
  }
  return drafted;
}

const turns = new WeakMap<Store, Promise<unknown>>();

/** One after the other: a large batch holds a connection for seconds, and ten would leave none to the steps that run. */
async function inTurn<Result>(store: Store, work: () => Promise<Result>): Promise<Result> {
  const turn = (turns.get(store) ?? Promise.resolve()).then(work);
  turns.set(
    store,
    turn.catch(() => undefined),
  );
  return await turn;
}

/** False when the key is taken: then nothing was inserted. */
async function insertAll(store: Store, jobs: readonly NewJob[]): Promise<boolean> {
  const taken = new Error('the idempotency key is taken');
  try {
    const parts = await inTransaction(store.db, async (tx) => {
      const parts: { some: NewJob[]; inserted: Inserted }[] = [];
      for (const some of inParts(jobs)) {
        const inserted = await insertJobs(tx, some);
        if (inserted.jobs.size < some.length) throw taken;
        parts.push({ some, inserted });
      }
      return parts;
    });
    // Not before the commit: a transaction that is tried again inserts the same drafts.
    for (const { some, inserted } of parts) for (const job of some) settleNew(store, job, inserted);
    return true;
  } catch (error) {
    // Thrown, because only so the jobs that were inserted before it was found out are taken back.
    if (error === taken) return false;
    throw error;
  }
}

/** The jobs in order, in parts of few steps or of a single job. */
function* inParts(jobs: readonly NewJob[]): Generator<NewJob[]> {
  let part: NewJob[] = [];
  let steps = 0;
  for (const job of jobs) {
    if (part.length > 0 && steps + job.definition.steps.length > STEPS_A_STATEMENT) {
      yield part;
      [part, steps] = [[], 0];
    }
    part.push(job);
    steps += job.definition.steps.length;
  }
  yield part;
}

function announceAll(store: Store, jobs: readonly NewJob[]): void {
  const drafts = jobs.map(({ draft }) => draft);
  announce(store, drafts);
}
