import type { Store } from '../database/store.ts';
import { AppError } from '../domain/errors.ts';
import type { NormalJob } from '../domain/job-definition/normalise.ts';
import { findByIdempotencyKeys, readClock } from '../repositories/insert-jobs.ts';
import type { ReadJob } from '../repositories/read-jobs.ts';
import { announce } from './advance-jobs.ts';
import { draftSubmitted } from './draft-submitted.ts';
import { insertTogether } from './insert-together.ts';
import { settleNew } from './remember-drafts.ts';

/** A stored job: made now, `job` as it was then, or by an earlier request with the same key (`replayed`). */
export type Submitted = { id: string; replayed: false; job: ReadJob } | { id: string; replayed: true };

/**
 * Stores a job; when this returns it is committed. The same idempotency key again gives the job that it made
 * (`replayed`), or `idempotency_conflict` when the request is another one (`requestHash` differs): the unique index
 * decides, however many come at once.
 */
export async function submitJob(
  store: Store,
  job: NormalJob,
  options: { idempotencyKey?: string | undefined; requestHash: string; traceparent?: string | null },
): Promise<Submitted> {
  const { idempotencyKey = null, requestHash: hash, traceparent = null } = options;
  for (;;) {
    const draft = draftSubmitted(job, job.run_at === null ? 0 : await readClock(store.db));
    const inserted = await insertTogether(store, {
      draft,
      definition: job,
      hash,
      idempotencyKey,
      traceparent,
    });
    const stored = inserted.jobs.get(draft.job.id);
    if (stored) {
      settleNew(store, { draft, definition: job, traceparent }, inserted);
      announce(store, [draft]);
      return { id: draft.job.id, replayed: false, job: stored };
    }
    const [existing] = idempotencyKey === null ? [] : await findByIdempotencyKeys(store.db, [idempotencyKey]);
    // Deleted in between: the key is free again.
    if (!existing) continue;
    if (existing.definition_hash === hash) return { id: existing.id, replayed: true };
    throw idempotencyConflict(idempotencyKey as string, existing.id);
  }
}

/** "This key is another request's", which made the job of this id. */
export function idempotencyConflict(key: string, jobId: string): AppError {
  return new AppError(
    'idempotency_conflict',
    `the idempotency key "${key}" belongs to job ${jobId}, which was submitted with a different body; use a new key for a new request`,
  );
}
