import { v7 as uuidv7 } from 'uuid';
import type { Store } from '../database/store.ts';
import { inOneStatement } from '../database/transaction.ts';
import { AppError } from '../domain/errors.ts';
import { evaluateCondition } from '../domain/expression/evaluate.ts';
import type { NormalJob } from '../domain/job-definition/normalise.ts';
import type { JobDraft } from '../domain/moves/draft.ts';
import { draftNewJob } from '../domain/moves/new-job.ts';
import { findByIdempotencyKey, insertJob, millisecondsUntil } from '../repositories/insert-job.ts';
import { announce } from './advance-jobs.ts';

/**
 * Stores a job; when this returns it is committed. The same idempotency key again gives the job that it made
 * (`replayed`), or `idempotency_conflict` when the request is another one (`requestHash` differs): the unique index
 * decides, however many come at once.
 */
export async function submitJob(
  store: Store,
  job: NormalJob,
  options: { idempotencyKey?: string | undefined; requestHash: string },
): Promise<{ id: string; replayed: boolean }> {
  const key = options.idempotencyKey ?? null;
  for (;;) {
    const draft = await draftOf(store, job);
    const inserted = await inOneStatement(store.db, (tx) =>
      insertJob(tx, draft, job, { idempotencyKey: key, hash: options.requestHash }),
    );
    if (inserted) {
      draft.job.version = 1;
      announce(store, [draft]);
      if (draft.job.status === 'scheduled') store.wakeUps.somethingDue();
      return { id: draft.job.id, replayed: false };
    }
    const existing = key === null ? undefined : await findByIdempotencyKey(store.db, key);
    // Deleted in between: the key is free again.
    if (!existing) continue;
    if (existing.definition_hash === options.requestHash) return { id: existing.id, replayed: true };
    throw new AppError(
      'idempotency_conflict',
      `the idempotency key "${key}" belongs to job ${existing.id}, which was submitted with a different body; use a new key for a new job`,
    );
  }
}

async function draftOf(store: Store, job: NormalJob): Promise<JobDraft> {
  const id = uuidv7();
  const runIn = job.run_at ? await millisecondsUntil(store.db, job.run_at) : job.delay_ms;
  return draftNewJob(id, job, runIn, (step) =>
    evaluateCondition(step.if ?? 'true', {
      job: { id },
      input: job.input,
      steps: {},
      needs: [],
      success: true,
      failure: false,
    }),
  );
}
