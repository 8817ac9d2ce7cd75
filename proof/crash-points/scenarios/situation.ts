/** What scenarios are made of: jobs, claims on their steps, and time that has passed. */
import { sql } from 'kysely';
import type { Store } from '../../../src/database/store.ts';
import { AppError, type ErrorCode } from '../../../src/domain/errors.ts';
import type { JsonObject } from '../../../src/domain/json.ts';
import type { ClaimedStep } from '../../../src/operations/advance-jobs.ts';
import { claimSteps } from '../../../src/operations/claim-steps.ts';
import { settleSteps } from '../../../src/operations/settle-steps.ts';
import type { StepOutcome } from '../../../src/operations/step-outcome.ts';
import { submitJob } from '../../../src/operations/submit-job.ts';
import { normal } from '../../../test/engine/work.ts';
import { DEAD_WORKER } from '../scenario.ts';

/** Long enough for all points of a scenario: whoever prepares one knows when its claims end. */
export const TTL_MS = 3_600_000;

/** A step called `name` below those named in `needs`. */
export function step(name: string, needs: string[] = [], more: JsonObject = {}): JsonObject {
  return { name, uses: 'value', needs, ...more };
}

/** Submits a job of these steps; returns its id. */
export async function submit(
  store: Store,
  name: string,
  steps: JsonObject[],
  more: JsonObject = {},
): Promise<string> {
  return (await submitJob(store, normal({ name, ...more, steps }), { requestHash: name })).id;
}

/** Claims up to `max` steps for a worker without a request of its own; the one that will be dead unless told otherwise. */
export async function take(
  store: Store,
  max: number,
  workerId: string = DEAD_WORKER,
  uses = 'value',
): Promise<ClaimedStep[]> {
  const request = { workerId, uses: [{ uses, max }], queues: null, ttlMs: TTL_MS };
  const [grants] = await claimSteps(store, [request]);
  return typeof grants === 'object' ? grants.claims : [];
}

/** Takes steps as `take` does, and lets them end as told. */
export async function takeAndEnd(
  store: Store,
  max: number,
  end: StepOutcome['end'] = SUCCEEDED,
  uses = 'value',
): Promise<void> {
  await settleSteps(store, outcomes(await take(store, max, DEAD_WORKER, uses), end), { mode: 'wait' });
}

export const SUCCEEDED: StepOutcome['end'] = { kind: 'succeeded', output: { n: 1 } };

export const FAILED: StepOutcome['end'] = {
  kind: 'failed',
  error: { code: 'went_wrong', message: 'it went wrong' },
  retryable: true,
};

/** The same outcome of several claims. */
export function outcomes(claims: readonly ClaimedStep[], end: StepOutcome['end'] = SUCCEEDED): StepOutcome[] {
  return claims.map(({ job_id, ordinal, claim_id }) => ({ job_id, ordinal, claim_id, end }));
}

/** Lets all waiting steps be due, one after the other in order. */
export async function letWaitsPass(store: Store): Promise<void> {
  await sql`update step set wake_at = clock_timestamp() - interval '1 minute' + ordinal * interval '1 second'
    where status = 'waiting'`.execute(store.db);
}

/** Lets all claims expire, or those of one worker. */
export async function letClaimsExpire(store: Store, workerId: string | null = null): Promise<void> {
  await sql`update step set claim_expires_at = clock_timestamp() - interval '1 minute' + ordinal * interval '1 second'
    where status = 'running' and claimed_by = coalesce(${workerId}::uuid, claimed_by)`.execute(store.db);
}

/** A request that was fulfilled already may be refused with one of these codes; everything else is thrown. */
export async function orRefused(codes: readonly ErrorCode[], answer: Promise<unknown>): Promise<void> {
  try {
    await answer;
  } catch (error) {
    if (!(error instanceof AppError && codes.includes(error.code))) throw error;
  }
}
