import type { Store } from '../database/store.ts';
import { AppError } from '../domain/errors.ts';
import { type ReadJob, readJob } from '../repositories/read-jobs.ts';

/** The id of a path, as the database writes it. Throws `job_not_found` for what no job can be called. */
export function jobIdOf({ id }: { id: string }): string {
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) return id.toLowerCase();
  const shown = id.length > 60 ? `${id.slice(0, 60)}…` : id;
  throw new AppError(
    'job_not_found',
    `"${shown}" is not the id of a job, which is a UUID; GET /v1/jobs lists all jobs`,
  );
}

/** The job of that id. Throws `job_not_found`. */
export async function findJob(store: Store, id: string): Promise<ReadJob> {
  const job = await readJob(store.db, id);
  if (job !== undefined) return job;
  throw noSuchJob(id);
}

/** "There is no job of this id." */
export function noSuchJob(id: string): AppError {
  return new AppError('job_not_found', `there is no job with the id ${id}; it may have been deleted`);
}
