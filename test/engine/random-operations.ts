/** One random operation at a time, on the database and on the oracle. */
import { sql } from 'kysely';
import type { Store } from '../../src/database/store.ts';
import { AppError } from '../../src/domain/errors.ts';
import { normaliseJob } from '../../src/domain/job-definition/normalise.ts';
import type { ClaimedStep, HandOff } from '../../src/operations/advance-jobs.ts';
import { cancelJob } from '../../src/operations/cancel-job.ts';
import type { ClaimRequest } from '../../src/operations/claim-request.ts';
import { claimSteps } from '../../src/operations/claim-steps.ts';
import { decideConditions } from '../../src/operations/decide-conditions.ts';
import { decideOutputs } from '../../src/operations/decide-outputs.ts';
import { deleteJob } from '../../src/operations/delete-job.ts';
import { extendClaims } from '../../src/operations/extend-claims.ts';
import { pauseJob } from '../../src/operations/pause-job.ts';
import { type ProgressReport, reportProgress } from '../../src/operations/report-progress.ts';
import { rescueExpired, rescueWorker } from '../../src/operations/rescue-steps.ts';
import { resumeJob } from '../../src/operations/resume-job.ts';
import { retryJob } from '../../src/operations/retry-job.ts';
import { settleSteps } from '../../src/operations/settle-steps.ts';
import { startScheduledJobs } from '../../src/operations/start-scheduled-jobs.ts';
import type { StepOutcome } from '../../src/operations/step-outcome.ts';
import { submitJob } from '../../src/operations/submit-job.ts';
import { timeOutJobs } from '../../src/operations/time-out-jobs.ts';
import { wakeSteps } from '../../src/operations/wake-steps.ts';
import { type Rows, readRows } from './invariants.ts';
import * as oracle from './oracle.ts';
import { definitionOf, LONG_MS, type Random, randomPlan } from './random-jobs.ts';

const MOST_JOBS = 6;
const ACTIONS = { known: new Set(['value']), builtin: new Set(['value']), checkWith: () => [] };

export interface World {
  store: Store;
  random: Random;
  jobs: Map<string, oracle.OracleJob>;
  workers: readonly string[];
  /** Claims that were given out, most of them over by now. */
  claims: ClaimedStep[];
  /** What is stored before the operation under way, after time was made to pass. */
  before: Rows;
}

type Key = { job: oracle.OracleJob; step: oracle.OracleStep };

const stepsWhere = (world: World, status: string): Key[] =>
  [...world.jobs.values()].flatMap((job) =>
    job.steps.filter((step) => step.status === status).map((step) => ({ job, step })),
  );

/** Time has passed, for what the operation is about; now it begins. */
async function begin(world: World): Promise<void> {
  world.before = await readRows(world.store.db);
}

export async function submit(world: World): Promise<string> {
  const open = [...world.jobs.values()].filter((job) => !oracle.isOver(job));
  if (open.length >= MOST_JOBS) return 'submit nothing, enough is open';
  const plan = randomPlan(world.random);
  const checked = normaliseJob(definitionOf(plan, world.random), ACTIONS);
  if (!checked.ok) throw new Error(`a random job was refused: ${JSON.stringify(checked.problems)}`);
  const { id } = await submitJob(world.store, checked.job, { requestHash: 'random' });
  world.jobs.set(id, oracle.submit(id, plan));
  return `submit ${id}: ${JSON.stringify(plan)}`;
}

export async function claim(world: World, probability = 0.6): Promise<string> {
  const { random, store } = world;
  const chosen = random.some(stepsWhere(world, 'ready'), probability);
  const workerId = random.pick(world.workers);
  const isChosen = (key: { job_id: string; ordinal: number }) =>
    chosen.some(({ job, step }) => job.id === key.job_id && step.ordinal === key.ordinal);
  const uses = [{ uses: 'value', max: 1000 }];
  const accept: ClaimRequest['accept'] = ({ ordinal }, job_id) => isChosen({ job_id, ordinal });
  const [grants] = await claimSteps(store, [{ workerId, uses, queues: null, ttlMs: LONG_MS, accept }]);
  const claims = typeof grants === 'object' ? grants.claims : [];
  if (claims.length !== chosen.length || !claims.every(isChosen)) {
    throw new Error(`claimed ${claims.length} steps, not the ${chosen.length} that are ready`);
  }
  // In an order that the clock has no part in, so that a seed replays.
  const order = [...world.jobs.keys()];
  claims.sort((a, b) => order.indexOf(a.job_id) - order.indexOf(b.job_id) || a.ordinal - b.ordinal);
  for (const taken of claims) noteClaim(world, taken, workerId);
  return `claim ${namesOf(chosen)}`;
}

function noteClaim(world: World, taken: ClaimedStep, workerId: string): void {
  const job = world.jobs.get(taken.job_id) as oracle.OracleJob;
  const step = job.steps[taken.ordinal] as oracle.OracleStep;
  oracle.claim(job, step, taken.claim_id, workerId);
  if (taken.attempt !== step.attempt)
    throw new Error(`attempt ${taken.attempt} was claimed, not ${step.attempt}`);
  world.claims.push(taken);
}

/** Outcomes of running steps, some of them sent twice, and some of claims that ended long ago: one batch. */
export async function settle(world: World): Promise<string> {
  const { random, store } = world;
  const sent: { outcome: StepOutcome; end: oracle.End }[] = [];
  for (const { job, step } of random.some(stepsWhere(world, 'running'), 0.5)) {
    const claim_id = step.claim as string;
    for (let times = random.chance(0.1) ? 2 : 1; times > 0; times -= 1) {
      sent.push({
        ...randomEnd(random),
        outcome: { job_id: job.id, ordinal: step.ordinal, claim_id },
      } as never);
    }
  }
  for (const { job_id, ordinal, claim_id } of random.some(endedClaims(world), 0.1)) {
    sent.push({ ...randomEnd(random), outcome: { job_id, ordinal, claim_id } } as never);
  }
  const outcomes = random.shuffle(sent).map(({ outcome, end }) => ({ ...outcome, end: productEnd(end) }));
  return settleBatch(world, outcomes, random.chance(0.5) ? random.pick(world.workers) : null, store);
}

/** Claims that are over: above all those of steps that run again, by whose results the new attempt could be ended. */
function endedClaims(world: World): ClaimedStep[] {
  const latest = new Map(
    stepsWhere(world, 'running').map(({ job, step }) => [`${job.id}/${step.ordinal}`, step.claim]),
  );
  const claimNow = ({ job_id, ordinal }: ClaimedStep) => latest.get(`${job_id}/${ordinal}`);
  const over = world.claims.filter((taken) => taken.claim_id !== claimNow(taken));
  return [...over.filter((taken) => claimNow(taken) !== undefined), ...over.slice(-5)];
}

async function settleBatch(
  world: World,
  outcomes: StepOutcome[],
  takes: string | null,
  store: Store,
): Promise<string> {
  const expected = outcomes.map((outcome) => applyOutcome(world, outcome));
  for (const id of [...new Set(outcomes.map((outcome) => outcome.job_id))]) {
    const job = world.jobs.get(id);
    if (job) oracle.follow(job);
  }
  const terms = takes === null ? null : { claimed_by: takes, ttl_ms: LONG_MS };
  const take: HandOff['take'] = () => (world.random.chance(0.5) ? terms : null);
  const handOff = terms === null ? undefined : () => ({ take });
  const { results, claims } = await settleSteps(store, outcomes, { mode: 'wait', handOff });
  if (results.join() !== expected.join())
    throw new Error(`settled ${results.join()}, expected ${expected.join()}`);
  for (const taken of claims) noteClaim(world, taken, takes as string);
  const told = outcomes.map(({ end, ordinal }, i) => `s${ordinal} ${end.kind} ${expected[i]}`);
  return `settle ${told.join(', ') || 'nothing'}; handed off ${claims.map((taken) => `s${taken.ordinal}`).join(' ')}`;
}

function applyOutcome(world: World, outcome: StepOutcome): 'settled' | 'claim_lost' {
  const job = world.jobs.get(outcome.job_id);
  const step = job?.steps[outcome.ordinal];
  if (!job || step?.status !== 'running' || step.claim !== outcome.claim_id) return 'claim_lost';
  oracle.endAttempt(job, step, oracleEnd(outcome.end));
  return 'settled';
}

function randomEnd(random: Random): { end: oracle.End } {
  const output = { n: random.below(10) };
  const choice = random.below(10);
  if (choice < 5) return { end: { kind: 'succeeded', output } };
  if (choice === 5) return { end: { kind: 'parked', output } };
  if (choice === 6) return { end: { kind: 'released', delay_ms: random.chance(0.5) ? 0 : LONG_MS } };
  if (choice === 7) return { end: { kind: 'timed_out' } };
  const retry_after_ms = random.chance(0.2) ? LONG_MS : 0;
  return { end: { kind: 'failed', retryable: random.chance(0.7), retry_after_ms } };
}

const WENT_WRONG = { code: 'went_wrong', message: 'it went wrong' };

function productEnd(end: oracle.End): StepOutcome['end'] {
  if (end.kind === 'failed') return { ...end, error: WENT_WRONG };
  if (end.kind === 'parked') return { ...end, for_ms: LONG_MS };
  return end.kind === 'timed_out' || end.kind === 'lost' ? { kind: end.kind } : end;
}

function oracleEnd(end: StepOutcome['end']): oracle.End {
  if (end.kind === 'failed')
    return { kind: 'failed', retryable: end.retryable, retry_after_ms: end.retry_after_ms ?? 0 };
  if (end.kind === 'released') return { kind: 'released', delay_ms: end.delay_ms ?? 0 };
  return end as oracle.End;
}

/** Claims run out: for some before the end of their attempt's time, for some with it. */
export async function expire(world: World): Promise<string> {
  const { random, store } = world;
  const chosen = random
    .some(stepsWhere(world, 'running'), 0.4)
    .map((key) => ({ ...key, late: random.chance(0.3) }));
  for (const { job, step, late } of chosen) {
    await sql`update step set claim_expires_at = clock_timestamp() - interval '1 s',
        started_at = started_at - case when ${late} then timeout_ms else 0 end * interval '1 millisecond'
      where job_id = ${job.id} and ordinal = ${step.ordinal}`.execute(store.db);
  }
  await begin(world);
  const { found, rescued } = await rescueExpired(store);
  if (found !== chosen.length || rescued !== found)
    throw new Error(`rescued ${rescued} of ${found}, ${chosen.length} expired`);
  for (const { job, step, late } of chosen)
    oracle.endAttempt(job, step, { kind: late ? 'timed_out' : 'lost' });
  for (const job of new Set(chosen.map((key) => key.job))) oracle.follow(job);
  return `expire ${chosen.map(({ step, late }) => `${step.name}${late ? ' timed out' : ''}`).join(' ')}`;
}

export async function loseWorker(world: World): Promise<string> {
  const worker = world.random.pick(world.workers);
  const held = stepsWhere(world, 'running').filter(({ step }) => step.worker === worker);
  await begin(world);
  await rescueWorker(world.store, worker);
  for (const { job, step } of held) oracle.endAttempt(job, step, { kind: 'lost' });
  for (const job of new Set(held.map((key) => key.job))) oracle.follow(job);
  return `lose a worker with ${namesOf(held)}`;
}

export async function extend(world: World): Promise<string> {
  const running = stepsWhere(world, 'running');
  const over = world.claims
    .filter(({ claim_id }) => !running.some(({ step }) => step.claim === claim_id))
    .slice(-5);
  const held = running.map(({ job, step }) => ({
    job_id: job.id,
    ordinal: step.ordinal,
    claim_id: step.claim as string,
  }));
  const lost = await extendClaims(world.store, [...held, ...over], 2 * LONG_MS);
  const expected = over.map((taken) => taken.claim_id).sort();
  if (lost.sort().join() !== expected.join())
    throw new Error(`lost ${lost.length} claims, expected ${expected.length}`);
  return `extend ${namesOf(running)} and ${over.length} claims that ended`;
}

/** Some running steps say how far they are, and some that no longer run. */
export async function report(world: World): Promise<string> {
  const { random, store } = world;
  const reports: ProgressReport[] = endedClaims(world)
    .slice(0, 3)
    .map(({ job_id, ordinal, claim_id }) => ({ job_id, ordinal, claim_id, progress: 1 }));
  for (const { job, step } of random.some(stepsWhere(world, 'running'), 0.5)) {
    const progress = random.below(5) / 4;
    reports.push({ job_id: job.id, ordinal: step.ordinal, claim_id: step.claim as string, progress });
    oracle.report(job, step, progress);
  }
  await reportProgress(store, random.shuffle(reports));
  return `report ${reports.map(({ ordinal, progress }) => `s${ordinal} ${progress}`).join(' ')}`;
}

export async function wake(world: World, probability = 0.5): Promise<string> {
  const { random, store } = world;
  const chosen = random.some(stepsWhere(world, 'waiting'), probability);
  for (const { job, step } of chosen) {
    await sql`update step set wake_at = clock_timestamp() - interval '1 s'
      where job_id = ${job.id} and ordinal = ${step.ordinal}`.execute(store.db);
  }
  await begin(world);
  const due = await wakeSteps(store);
  if (due !== chosen.length) throw new Error(`${due} steps were due, not ${chosen.length}`);
  for (const { step } of chosen) oracle.wake(step);
  for (const job of new Set(chosen.map((key) => key.job))) oracle.follow(job);
  return `wake ${namesOf(chosen)}`;
}

export async function start(world: World, probability = 0.4): Promise<string> {
  const { random, store } = world;
  const waiting = [...world.jobs.values()].filter((job) => job.runAtToCome && !oracle.isOver(job));
  const chosen = random.some(waiting, probability);
  for (const job of chosen) {
    job.runAtToCome = false;
    await sql`update job set run_at = clock_timestamp() - interval '1 s' where id = ${job.id}`.execute(
      store.db,
    );
  }
  await begin(world);
  await startScheduledJobs(store);
  for (const job of chosen.filter(({ status }) => status === 'scheduled')) {
    job.status = 'queued';
    job.reason = null;
    oracle.follow(job);
  }
  return `the time of ${chosen.length} jobs has come`;
}

export async function decide(world: World): Promise<string> {
  const waiting = [...world.jobs.values()].filter((job) => job.steps.some((step) => step.undecided));
  await begin(world);
  await decideConditions(world.store);
  for (const job of waiting) {
    oracle.decideAll(job);
    oracle.follow(job);
  }
  return `decide the conditions of ${waiting.length} jobs`;
}

export async function decideJobOutputs(world: World): Promise<string> {
  await decideOutputs(world.store);
  for (const job of world.jobs.values()) oracle.decideOutput(job);
  return 'decide the outputs of jobs';
}

export async function overrun(world: World): Promise<string> {
  const open = [...world.jobs.values()].filter((job) => !oracle.isOver(job));
  const chosen = world.random.some(open, 0.2);
  for (const job of chosen) {
    await sql`update job set deadline_at = clock_timestamp() - interval '1 s' where id = ${job.id}`.execute(
      world.store.db,
    );
  }
  await begin(world);
  await timeOutJobs(world.store);
  for (const job of chosen) oracle.stop(job, 'failed', 'job_timeout', 'job_timeout');
  return `let ${chosen.length} jobs pass their deadline`;
}

/** A verb on one job, whether it is lawful just now or not: then it must say so and change nothing. */
export async function verb(world: World): Promise<string> {
  const [job] = world.random.shuffle([...world.jobs.values()]);
  if (!job) return 'no job to steer';
  const name = world.random.pick(['pause', 'resume', 'cancel', 'retry', 'delete'] as const);
  const from = job.status;
  const expected = refusalOf(name, from);
  const refused = await runVerb(world.store, name, job.id);
  if (refused !== expected) throw new Error(`${name} of a ${from} job: ${refused}, expected ${expected}`);
  if (expected === null) applyVerb(world, name, job);
  return `${name} ${job.id}, which was ${from}: ${refused ?? 'done'}`;
}

type Verb = 'pause' | 'resume' | 'cancel' | 'retry' | 'delete';

function refusalOf(name: Verb, from: string): string | null {
  const over = oracle.isOver({ status: from });
  if (name === 'delete') return over ? null : 'job_not_terminal';
  if (name === 'retry') return from === 'failed' || from === 'cancelled' ? null : 'job_not_retryable';
  if (name === 'cancel' && from === 'cancelled') return null;
  return over ? 'job_terminal' : null;
}

async function runVerb(store: Store, name: Verb, id: string): Promise<string | null> {
  try {
    if (name === 'pause') await pauseJob(store, id);
    else if (name === 'resume') await resumeJob(store, id);
    else if (name === 'cancel') await cancelJob(store, id, 'not wanted');
    else if (name === 'retry') await retryJob(store, id);
    else await deleteJob(store, id);
    return null;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}

function applyVerb(world: World, name: Verb, job: oracle.OracleJob): void {
  if (name === 'delete') world.jobs.delete(job.id);
  else if (name === 'retry') oracle.retry(job);
  else if (name === 'pause' && job.status !== 'paused') oracle.pause(job);
  else if (name === 'resume' && job.status === 'paused') oracle.resume(job);
  else if (name === 'cancel' && job.status !== 'cancelled')
    oracle.stop(job, 'cancelled', 'not wanted', 'job_cancelled');
}

/** Every running step succeeds. */
export async function succeedAll(world: World): Promise<string> {
  const outcomes = stepsWhere(world, 'running').map(({ job, step }) => ({
    job_id: job.id,
    ordinal: step.ordinal,
    claim_id: step.claim as string,
    end: { kind: 'succeeded' as const, output: { n: world.random.below(10) } },
  }));
  return settleBatch(world, outcomes, null, world.store);
}

export async function resumeAll(world: World): Promise<string> {
  for (const job of world.jobs.values()) {
    if (job.status !== 'paused') continue;
    await resumeJob(world.store, job.id);
    oracle.resume(job);
  }
  return 'resume whatever is paused';
}

function namesOf(keys: readonly Key[]): string {
  return keys.map(({ step }) => step.name).join(' ') || 'nothing';
}

/** How often each operation comes up. */
export const OPERATIONS: readonly [number, (world: World) => Promise<string>][] = [
  [14, submit],
  [22, (world) => claim(world)],
  [24, settle],
  [6, expire],
  [3, loseWorker],
  [3, extend],
  [6, report],
  [7, (world) => wake(world)],
  [3, (world) => start(world)],
  [10, decide],
  [5, decideJobOutputs],
  [2, overrun],
  [9, verb],
];

export async function anyOperation(world: World): Promise<string> {
  const total = OPERATIONS.reduce((sum, [weight]) => sum + weight, 0);
  let at = world.random.below(total);
  for (const [weight, operation] of OPERATIONS) {
    at -= weight;
    if (at < 0) return operation(world);
  }
  return 'nothing';
}
