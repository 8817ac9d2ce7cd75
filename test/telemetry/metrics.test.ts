import { expect, test } from 'vitest';
import type { Figures } from '../../src/domain/figures.ts';
import type { JobDraft } from '../../src/domain/moves/draft.ts';
import { type AttemptEnd, endAttempt } from '../../src/domain/moves/end-attempt.ts';
import { cancelJobDraft } from '../../src/domain/moves/finish-job.ts';
import { grantClaim } from '../../src/domain/moves/hold.ts';
import { reopenJob } from '../../src/domain/moves/reopen-job.ts';
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.ts';
import { draftOf, NOW, stepOf, stepState } from '../domain/drafts.ts';
import { figure, readExposition } from '../support/exposition.ts';

const NOTHING: Figures = { openJobs: [], readyHeads: [], workers: [], tables: [], sessions: null };

function metricsOf(database: Partial<Parameters<typeof createMetrics>[0]['database']> = {}): Metrics {
  return createMetrics({
    version: '1.2.3',
    pools: () => ({ work: { total: 3, idle: 2, waiting: 4, max: 10 } }),
    database: { read: async () => NOTHING, cacheMs: 0, ...database },
  });
}

async function scrape(metrics: Metrics) {
  const families = readExposition(await metrics.text());
  return (name: string, labels?: Record<string, string>) => figure(families, `holdfast_${name}`, labels);
}

/** A job of one running step that began 2 s ago. */
function running(step: Parameters<typeof stepState>[1] = {}): JobDraft {
  const claimed = { claim_id: 'c', claimed_by: 'w', claim_expires_at: NOW + 1, attempt: 1 };
  const at = { ready_at: NOW - 3_000, started_at: NOW - 2_000 };
  return draftOf([stepState(0, { status: 'running', reason: null, ...claimed, ...at, ...step })], {
    status: 'running',
    started_at: NOW - 2_000,
  });
}

function ended(end: AttemptEnd, step: Parameters<typeof stepState>[1] = {}): JobDraft {
  const draft = running(step);
  endAttempt(draft, stepOf(draft, 0), end, 0.5);
  return draft;
}

const boom = { code: 'boom', message: 'it went wrong' };

test('counts each attempt once, by how it ended, and only failures that are tried again as retries', async () => {
  const metrics = metricsOf();
  const failed: AttemptEnd = { kind: 'failed', error: boom, retryable: true };
  metrics.observe([
    ended({ kind: 'succeeded', output: null }),
    ended(failed),
    ended(failed, { max_attempts: 3 }),
    ended({ kind: 'timed_out' }),
    ended({ kind: 'timed_out' }, { max_attempts: 3 }),
    ended({ kind: 'lost' }),
    ended({ kind: 'lost' }, { losses: 5 }),
    ended({ kind: 'released' }),
    // Parked: the attempt goes on.
    ended({ kind: 'parked', for_ms: 1000, output: null }),
  ]);
  const cancelled = [running(), running({ status: 'waiting', reason: 'timer', wake_at: NOW }), running()];
  // Between two attempts there is none to be cancelled.
  Object.assign(stepOf(cancelled[2] as JobDraft, 0), { status: 'waiting', reason: 'retry_delay' });
  for (const draft of cancelled) {
    draft.job.steps_waiting = draft.job.steps_running = 1;
    cancelJobDraft(draft, null);
  }
  metrics.observe(cancelled);
  const read = await scrape(metrics);
  const attempts = Object.fromEntries(
    ['succeeded', 'failed', 'timed_out', 'lost', 'released', 'cancelled'].map((outcome) => [
      outcome,
      read('attempts_ended_total', { uses: 'value', outcome }),
    ]),
  );
  expect(attempts).toEqual({ succeeded: 1, failed: 2, timed_out: 2, lost: 2, released: 1, cancelled: 2 });
  expect(read('step_retries_total', { uses: 'value' })).toBe(2);
  // Only those that ended by themselves tell how long the action takes.
  expect(read('step_duration_seconds_count', { uses: 'value' })).toBe(5);
  expect(read('step_duration_seconds_sum', { uses: 'value' })).toBe(10);
  expect(read('steps_ended_total', { uses: 'value', status: 'failed' })).toBe(3);
  expect(read('steps_ended_total', { uses: 'value', status: 'cancelled' })).toBe(3);
  expect(read('jobs_ended_total', { status: 'cancelled' })).toBe(3);
});

test('counts a start with how long the step was ready, also of one that is given back and taken in one go', async () => {
  const metrics = metricsOf();
  const draft = ended({ kind: 'released' });
  const step = stepOf(draft, 0);
  Object.assign(step, { status: 'ready', ready_at: NOW - 5_000 });
  draft.job.steps_pending = 0;
  draft.job.steps_ready = 1;
  grantClaim(draft, step, { claim_id: 'd', claimed_by: 'w', ttl_ms: 1 });
  metrics.observe([draft]);
  const read = await scrape(metrics);
  expect(read('steps_started_total', { uses: 'value', queue: 'default' })).toBe(1);
  expect(read('step_wait_seconds_sum', { uses: 'value' })).toBe(5);
  expect(read('step_wait_seconds_bucket', { uses: 'value', le: '2.5' })).toBe(0);
  expect(read('step_wait_seconds_bucket', { uses: 'value', le: '5' })).toBe(1);
  expect(read('attempts_ended_total', { uses: 'value', outcome: 'released' })).toBe(1);
});

test('counts a retry by hand as such, and nothing of what ended before it again', async () => {
  const metrics = metricsOf();
  const step = {
    status: 'failed',
    reason: 'boom',
    attempt: 2,
    started_at: NOW - 9,
    finished_at: NOW - 8,
  } as const;
  const draft = draftOf([stepState(0, step)], { status: 'failed', finished_at: NOW - 8 });
  reopenJob(draft, new Map([[0, []]]));
  metrics.observe([draft]);
  const read = await scrape(metrics);
  expect(read('jobs_retried_total')).toBe(1);
  expect(read('attempts_ended_total', { uses: 'value', outcome: 'failed' })).toBeNull();
  expect(read('step_retries_total', { uses: 'value' })).toBeNull();
  expect(read('jobs_ended_total', { status: 'failed' })).toBeNull();
});

test('keeps forty values of a label and counts the rest as other, however many names users make up', async () => {
  const readyHeads = Array.from({ length: 60 }, (_, i) => ({
    ...{ queue: `q${i}`, uses: 'resize', seconds: i, workers: i === 50 ? 0 : 1 },
  }));
  const metrics = metricsOf({ read: async () => ({ ...NOTHING, readyHeads }) });
  metrics.observe(
    Array.from({ length: 1_000 }, (_, i) => ended({ kind: 'succeeded', output: null }, { uses: `a${i}` })),
  );
  const families = readExposition(await metrics.text());
  expect(families.get('holdfast_attempts_ended_total')?.samples).toHaveLength(41);
  const read = await scrape(metrics);
  expect(read('attempts_ended_total', { uses: 'a39', outcome: 'succeeded' })).toBe(1);
  expect(read('attempts_ended_total', { uses: 'other', outcome: 'succeeded' })).toBe(960);
  expect(read('step_duration_seconds_count', { uses: 'other' })).toBe(960);
  // Of those that share a series it tells the worst.
  expect(read('oldest_ready_seconds', { queue: 'other', uses: 'resize' })).toBe(59);
  expect(read('queue_workers', { queue: 'other', uses: 'resize' })).toBe(0);
});

test('takes any name that a job may have for a label', async () => {
  const metrics = metricsOf();
  metrics.observe([ended({ kind: 'succeeded', output: null }, { uses: '__proto__' })]);
  const read = await scrape(metrics);
  expect(read('attempts_ended_total', { uses: '__proto__', outcome: 'succeeded' })).toBe(1);
});

test('shows what the engine and the server report', async () => {
  const metrics = metricsOf();
  metrics.engine.claimBatch(20);
  metrics.engine.settleBatch(3);
  metrics.engine.staleWrites(2);
  metrics.engine.claimWait(1_500);
  metrics.watchClaimWaits(() => 7);
  metrics.answered({ method: 'BREW', route: 'none', status: 404, ms: 2, waited: false });
  const read = await scrape(metrics);
  expect(read('claim_batch_steps_sum')).toBe(20);
  expect(read('settle_batch_outcomes_bucket', { le: '5' })).toBe(1);
  expect(read('stale_writes_total')).toBe(2);
  expect(read('claim_request_wait_seconds_sum')).toBe(1.5);
  expect(read('claim_requests_waiting')).toBe(7);
  expect(read('pool_connections', { pool: 'work', state: 'busy' })).toBe(1);
  expect(read('pool_waiting', { pool: 'work' })).toBe(4);
  expect(read('http_requests_total', { method: 'other', route: 'none', status: '4xx' })).toBe(1);
  expect(read('build_info', { version: '1.2.3', nodejs_version: process.version })).toBe(1);
});

test('leaves out what a database that is away would tell, and shows it again when it is back', async () => {
  const errors: unknown[] = [];
  let away = false;
  const openJobs = [{ status: 'running' as const, jobs: 2, pending: 1, ready: 0, running: 2, waiting: 0 }];
  const metrics = metricsOf({
    read: async () => {
      if (away) throw new Error('it is away');
      return { ...NOTHING, openJobs };
    },
    onError: (error) => errors.push(error),
  });
  const states = async () => {
    const read = await scrape(metrics);
    return [read('database_up'), read('jobs', { status: 'running' }), read('steps', { status: 'running' })];
  };
  expect(await states()).toEqual([1, 2, 2]);
  const read = await scrape(metrics);
  // No figures of sessions. That is no zero.
  expect(read('database_size_bytes')).toBeNull();
  expect(read('database_figures_missing_total', { part: 'sessions' })).toBe(2);
  away = true;
  expect(await states()).toEqual([0, null, null]);
  expect(errors).toHaveLength(1);
  away = false;
  expect(await states()).toEqual([1, 2, 2]);
});

test('answers in time while the database hangs, and asks it but once', async () => {
  let asked = 0;
  let answer: (figures: Figures) => void = () => {};
  const read = () => {
    asked += 1;
    return new Promise<Figures>((resolve) => {
      answer = resolve;
    });
  };
  const metrics = metricsOf({ read, patienceMs: 50, cacheMs: 60_000 });
  const first = await Promise.all([scrape(metrics), scrape(metrics)]);
  for (const one of [...first, await scrape(metrics)]) expect(one('database_up')).toBe(0);
  expect(asked).toBe(1);
  answer(NOTHING);
  await expect.poll(async () => (await scrape(metrics))('database_up')).toBe(1);
  await scrape(metrics);
  expect(asked).toBe(1);
});
