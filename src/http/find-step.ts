import type { Store } from '../database/store.ts';
import { AppError } from '../domain/errors.ts';
import type { Json } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import { suggest } from '../domain/suggest.ts';
import { type ReadStep, readStep, readStepNames } from '../repositories/read-steps.ts';
import { findJob } from './find-job.ts';

/** The step of that name. Throws `job_not_found`, or `step_not_found` with the name that may have been meant. */
export async function findStep(
  store: Store,
  jobId: string,
  name: string,
): Promise<ReadStep & { with: Json }> {
  // What no step can be called need not be asked for; a NUL in it would be an error of the database.
  const step = /^[A-Za-z0-9_-]{1,63}$/.test(name) ? await readStep(store.db, jobId, name) : undefined;
  if (step !== undefined) return step;
  await findJob(store, jobId);
  const names = await readStepNames(store.db, jobId, LIMITS.pageMax);
  const shown = name.length > 63 ? `${name.slice(0, 63)}…` : name;
  const meant = suggest(name.slice(0, 63), names);
  const hint = meant === null ? `GET /v1/jobs/${jobId}/steps lists its steps` : `did you mean "${meant}"?`;
  throw new AppError('step_not_found', `the job has no step "${shown}"; ${hint}`);
}
