import type { Store } from '../database/store.ts';
import { inOneStatement } from '../database/transaction.ts';
import { AppError } from '../domain/errors.ts';
import type { NormalJob } from '../domain/job-definition/normalise.ts';
import { findByIdempotencyKeys, insertJobs, readClock } from '../repositories/insert-jobs.ts';
import { announce } from './advance-jobs.ts';
import { draftSubmitted } from './draft-submitted.ts';
import { addWork } from './remember-drafts.ts';

/**
 * Stores a job; when this returns it is committed. The same idempotency key again gives the job that it made
 * (`replayed`), or `idempotency_conflict` when the request is another one (`requestHash` differs): the unique index
 * decides, however many come at once.
 */
export async function submitJob(
  store: Store,
  job: NormalJob,
  options: { idempotencyKey?: string | undefined; requestHash: string; traceparent?: string | null },
): Promise<{ id: string; replayed: boolean }> {
  const key = options.idempotencyKey ?? null;
  for (;;) {
    const draft = draftSubmitted(job, job.run_at === null ? 0 : await readClock(store.db));
    const inserted = await inOneStatement(store.db, (tx) =>
      insertJobs(tx, [
        {
          ...{ draft, definition: job, hash: options.requestHash, idempotencyKey: key },
          traceparent: options.traceparent ?? null,
        },
      ]),
    );
    if (inserted) {
      draft.job.version = 1;
      draft.database = inserted.database;
      if (store.remembered) addWork(draft, job, options.traceparent ?? null);
      announce(store, [draft]);
      if (draft.job.status === 'scheduled') store.wakeUps.somethingDue();
      return { id: draft.job.id, replayed: false };
    }
    const [existing] = key === null ? [] : await findByIdempotencyKeys(store.db, [key]);
    // Deleted in between: the key is free again.
    if (!existing) continue;
    if (existing.definition_hash === options.requestHash) return { id: existing.id, replayed: true };
    throw idempotencyConflict(key as string, existing.id);
  }
}

/** "This key is another request's", which made the job of this id. */
export function idempotencyConflict(key: string, jobId: string): AppError {
  return new AppError(
    'idempotency_conflict',
    `the idempotency key "${key}" belongs to job ${jobId}, which was submitted with a different body; use a new key for a new request`,
  );
}
