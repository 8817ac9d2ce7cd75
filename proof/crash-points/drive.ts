import { sql } from 'kysely';
import type { Store } from '../../src/database/store.ts';
import { decideConditions } from '../../src/operations/decide-conditions.ts';
import { decideOutputs } from '../../src/operations/decide-outputs.ts';
import { finishRemovals } from '../../src/operations/remove-worker.ts';
import { rescueExpired } from '../../src/operations/rescue-steps.ts';
import { resumeJob } from '../../src/operations/resume-job.ts';
import { retryJob } from '../../src/operations/retry-job.ts';
import { startScheduledJobs } from '../../src/operations/start-scheduled-jobs.ts';
import { timeOutJobs } from '../../src/operations/time-out-jobs.ts';
import { wakeSteps } from '../../src/operations/wake-steps.ts';
import { brokenInvariants, type JobRow, type Rows, readRows } from '../../test/engine/invariants.ts';
import { letClaimsExpire, letWaitsPass, SUCCEEDED, takeAndEnd } from './scenarios/situation.ts';

const ROUNDS = 40;
const MOST = 1_000;

/**
 * Does what servers would do from here on, all claims that are out having expired: rescues, wakes, decides, claims and
 * succeeds, resumes what is paused and retries what failed, until every job has succeeded. Returns what is wrong then.
 */
export async function driveToEnd(store: Store): Promise<string[]> {
  const before = await readRows(store.db);
  await finishRemovals(store);
  await letClaimsExpire(store);
  for (let round = 1; round <= ROUNDS; round += 1) {
    await moveByItself(store);
    const open = await openJobs(store);
    if (open.length === 0) break;
    for (const { id, status } of open) await moveByHand(store, id, status);
    for (const uses of ['value', 'wait']) await takeAndEnd(store, MOST, SUCCEEDED, uses);
  }
  return wrongInTheEnd(before, await readRows(store.db));
}

async function moveByItself(store: Store): Promise<void> {
  await sql`update job set run_at = clock_timestamp() where status = 'scheduled'`.execute(store.db);
  await letWaitsPass(store);
  await timeOutJobs(store);
  await rescueExpired(store);
  for (const work of [startScheduledJobs, wakeSteps, decideConditions, decideOutputs]) await work(store);
}

async function openJobs(store: Store): Promise<Pick<JobRow, 'id' | 'status'>[]> {
  const { rows } = await sql<{ id: string; status: string }>`
    select id, status from job where status <> 'succeeded' order by id`.execute(store.db);
  return rows;
}

async function moveByHand(store: Store, id: string, status: string): Promise<void> {
  if (status === 'paused') await resumeJob(store, id);
  if (status === 'failed' || status === 'cancelled') await retryJob(store, id);
}

function wrongInTheEnd(before: Rows, after: Rows): string[] {
  const wrong = brokenInvariants(after);
  for (const job of after.jobs.values()) {
    if (job.status !== 'succeeded') wrong.push(`job ${job.name} is ${job.status} in the end`);
    const was = before.jobs.get(job.id);
    const reopened = was === undefined || was.status === 'failed' || was.status === 'cancelled';
    for (const step of after.steps.get(job.id) ?? []) {
      const stood = before.steps.get(job.id)?.[step.ordinal];
      if (step.status !== 'succeeded') wrong.push(`${step.name} of ${job.name} is ${step.status} in the end`);
      if (!reopened && stood?.status === 'succeeded' && stood.attempt !== step.attempt)
        wrong.push(`${step.name} of ${job.name} had succeeded, and was executed again`);
    }
  }
  if (after.jobs.size !== before.jobs.size) wrong.push(`${before.jobs.size} jobs became ${after.jobs.size}`);
  return wrong;
}
