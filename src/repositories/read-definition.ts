import type { Kysely } from 'kysely';
import type { Tables } from '../database/tables.ts';
import type { DefinedJob, DefinedStep } from '../domain/job-definition/rebuild.ts';

/** What the definition of a job said, from its rows; undefined when there is no such job. */
export async function readDefinedJob(
  db: Kysely<Tables>,
  id: string,
): Promise<{ job: DefinedJob; steps: DefinedStep[] } | undefined> {
  const row = await db
    .selectFrom('job')
    .select(['name', 'priority', 'labels', 'input', 'run_at', 'timeout_ms', 'max_parallel', 'fail_fast'])
    .select(['output_template', 'steps_total'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const steps = await db
    .selectFrom('step')
    .select(['name', 'uses', 'queue', 'needs', 'if', 'with', 'continue_on_error', 'timeout_ms'])
    .select(['max_attempts', 'max_losses', 'backoff', 'retry_delay_ms', 'retry_max_delay_ms', 'retry_jitter'])
    .where('job_id', '=', id)
    .orderBy('ordinal')
    .execute();
  const { output_template: output, steps_total, ...job } = row;
  // A job never loses single steps: it was deleted in between.
  return steps.length === steps_total ? { job: { ...job, output }, steps } : undefined;
}
