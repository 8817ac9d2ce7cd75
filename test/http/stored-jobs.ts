import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import type { Store } from '../../src/database/store.ts';
import type { JobTable, StepTable } from '../../src/database/tables.ts';
import { STEP_STATUSES } from '../../src/domain/step-status.ts';

type Fields<Table> = { [Column in keyof Table]?: unknown };

/** Puts a job into the database as it is described, past the engine; returns its id. Counters follow from the steps. */
export async function storeJob(
  { db }: Store,
  job: Fields<JobTable> = {},
  steps: (Fields<StepTable> & { name: string })[] = [{ name: 'main' }],
): Promise<string> {
  const id = (job.id as string | undefined) ?? uuidv7();
  const rows = steps.map((step, ordinal) => stepRow(id, ordinal, step));
  const counts = STEP_STATUSES.map((status) => [
    `steps_${status}`,
    rows.filter((row) => row.status === status).length,
  ]);
  const row = {
    id,
    name: 'a-job',
    status: 'queued',
    definition_hash: 'hash',
    timeout_ms: 3_600_000,
    steps_total: steps.length,
    ...Object.fromEntries(counts),
    created_at: sql`clock_timestamp()`,
    deadline_at: sql`clock_timestamp() + interval '1 hour'`,
    ...job,
  };
  await db
    .insertInto('job')
    .values(row as never)
    .execute();
  await db
    .insertInto('step')
    .values(rows as never)
    .execute();
  return id;
}

const NOW = sql`clock_timestamp()`;

function stepRow(job_id: string, ordinal: number, step: Fields<StepTable>) {
  const status = step.status ?? 'ready';
  const finished = ['succeeded', 'failed', 'skipped', 'cancelled'].includes(String(status));
  return {
    job_id,
    ordinal,
    uses: 'value',
    queue: 'default',
    priority: 0,
    needs: [],
    dependents: [],
    continue_on_error: false,
    timeout_ms: 60_000,
    max_attempts: 1,
    max_losses: 5,
    backoff: 'exponential',
    retry_delay_ms: 1_000,
    retry_max_delay_ms: 300_000,
    retry_jitter: true,
    unmet: 0,
    ...(status === 'ready' ? { turn: NOW, ready_at: NOW } : {}),
    ...(status === 'running' ? running() : {}),
    ...(finished ? { finished_at: NOW } : {}),
    ...step,
    status,
  };
}

function running() {
  return { claim_id: uuidv7(), claimed_by: uuidv7(), claim_expires_at: NOW, started_at: NOW, attempt: 1 };
}

/** Puts a live worker into the database. */
export async function storeWorker(
  { db }: Store,
  uses: string[],
  queues: string[] | null = null,
): Promise<void> {
  await db
    .insertInto('worker')
    .values({ id: uuidv7(), kind: 'server', name: 'test', version: '0', uses, queues, slots: 4 })
    .execute();
}
