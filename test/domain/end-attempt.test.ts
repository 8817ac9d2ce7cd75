import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JobDraft, StepState } from '../../src/domain/moves/draft.ts';
import { type AttemptEnd, endAttempt, wakeStep } from '../../src/domain/moves/end-attempt.ts';
import { draftOf, NOW, stepOf, stepState } from './drafts.ts';

const ERROR = { code: 'oops', message: 'it went wrong' };
const FAILED: AttemptEnd = { kind: 'failed', error: ERROR, retryable: true };

function running(step: Partial<StepState> = {}): JobDraft {
  const claim = { claim_id: 'c', claimed_by: 'w', claim_expires_at: NOW + 1, started_at: NOW - 5 };
  return draftOf([stepState(0, { status: 'running', attempt: 3, ...claim, ...step })], { status: 'running' });
}

function endedBy(end: AttemptEnd, step: Partial<StepState> = {}): { step: StepState; draft: JobDraft } {
  const draft = running(step);
  endAttempt(draft, stepOf(draft, 0), end, 0.5);
  return { step: stepOf(draft, 0), draft };
}

describe('the end of an attempt', () => {
  it('settles the step when it succeeded, and forgets the errors before', () => {
    const { step, draft } = endedBy({ kind: 'succeeded', output: 1 }, { error: ERROR, failures: 1 });
    expect(step).toMatchObject({
      status: 'succeeded',
      output: 1,
      error: null,
      finished_at: NOW,
      claim_expires_at: null,
    });
    expect(draft.ended).toEqual([]);
  });

  it('fails the step when it may not be retried, or was the last that `max_attempts` allows', () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.nat(5),
        fc.integer({ min: 1, max: 5 }),
        (retryable, failures, max_attempts) => {
          const { step, draft } = endedBy({ ...FAILED, retryable }, { failures, max_attempts, losses: 2 });
          const settled = !retryable || failures + 1 >= max_attempts;
          expect(step).toMatchObject({
            status: settled ? 'failed' : 'waiting',
            failures: failures + 1,
            losses: 0,
          });
          expect(draft.ended).toHaveLength(settled ? 0 : 1);
          expect(draft.job.hard_failures).toBe(settled ? 1 : 0);
        },
      ),
    );
  });

  it('keeps the attempt as history and waits for the longer of its delay and the one asked for', () => {
    const { step, draft } = endedBy(FAILED, { max_attempts: 2 });
    expect(step).toMatchObject({ reason: 'retry_delay', wake_at: NOW + 1_000, error: ERROR });
    const [ended] = draft.ended;
    expect(ended).toMatchObject({
      attempt: 3,
      outcome: 'failed',
      claim_id: 'c',
      claimed_by: 'w',
      started_at: NOW - 5,
    });
    expect(endedBy({ ...FAILED, retry_after_ms: 9_000 }, { max_attempts: 2 }).step.wake_at).toBe(NOW + 9_000);
    expect(endedBy({ ...FAILED, retry_after_ms: 9 }, { max_attempts: 2 }).step.wake_at).toBe(NOW + 1_000);
  });

  it('is held at once where there is no delay', () => {
    expect(endedBy(FAILED, { max_attempts: 2, retry_delay_ms: 0 }).step).toMatchObject({
      status: 'pending',
      reason: 'held',
    });
  });

  it('by timeout counts as a failure that may be retried', () => {
    expect(endedBy({ kind: 'timed_out' }).step).toMatchObject({
      status: 'failed',
      reason: 'timed_out',
      failures: 1,
    });
    const { step, draft } = endedBy({ kind: 'timed_out' }, { max_attempts: 2 });
    expect([step.status, draft.ended[0]?.outcome, step.error?.code]).toEqual([
      'waiting',
      'timed_out',
      'timeout',
    ]);
  });

  it('by release is not charged; after 20 in a row it waits 10 s more each time', () => {
    const { step, draft } = endedBy({ kind: 'released' }, { error: ERROR, failures: 1, losses: 1 });
    expect(step).toMatchObject({
      status: 'pending',
      reason: 'held',
      failures: 1,
      losses: 1,
      releases: 1,
      error: null,
    });
    expect(draft.ended[0]).toMatchObject({ outcome: 'released', error: null });
    expect(endedBy({ kind: 'released', error: ERROR }).draft.ended[0]?.error).toEqual(ERROR);
    expect(endedBy({ kind: 'released', delay_ms: 70 }).step.wake_at).toBe(NOW + 70);
    expect(endedBy({ kind: 'released' }, { releases: 19 }).step.status).toBe('pending');
    expect(endedBy({ kind: 'released' }, { releases: 20 }).step.wake_at).toBe(NOW + 10_000);
    expect(endedBy({ kind: 'released', delay_ms: 70 }, { releases: 22 }).step.wake_at).toBe(NOW + 30_000);
  });

  it('by loss is not charged as a failure; the first is made up for at once, the next ones wait', () => {
    const { step, draft } = endedBy({ kind: 'lost' }, { failures: 1, max_attempts: 2 });
    expect(step).toMatchObject({ status: 'pending', failures: 1, losses: 1, error: { code: 'claim_lost' } });
    expect(draft.ended[0]?.outcome).toBe('lost');
    expect(endedBy({ kind: 'lost' }, { losses: 1 }).step.wake_at).toBe(NOW + 3_000);
  });

  it('by loss past `max_losses` fails the step', () => {
    expect(endedBy({ kind: 'lost' }, { losses: 4 }).step.status).toBe('waiting');
    expect(endedBy({ kind: 'lost' }, { losses: 5 }).step).toMatchObject({
      status: 'failed',
      reason: 'claim_lost_limit',
    });
  });

  it("by a worker's own error never has a reason that only the engine gives", () => {
    const reasonOf = (code: string) =>
      endedBy({ ...FAILED, retryable: false, error: { code, message: '' } }).step.reason;
    expect(['timeout', 'timed_out', 'claim_lost_limit'].map(reasonOf)).toEqual([
      'timeout',
      'failed',
      'failed',
    ]);
  });

  it('parked is no end: the same attempt waits until its instant', () => {
    expect(endedBy({ kind: 'parked', for_ms: 40, output: 'o' }).step).toMatchObject({
      ...{ status: 'waiting', reason: 'timer', wake_at: NOW + 40, output: 'o', attempt: 3 },
    });
    expect(endedBy({ kind: 'parked', until: 77, output: null }).step.wake_at).toBe(77);
    expect(endedBy({ kind: 'parked', output: null }).step.wake_at).toBe(NOW);
    expect(endedBy({ kind: 'parked', output: null }).draft.ended).toEqual([]);
  });
});

describe('a waiting step that is due', () => {
  it('succeeds when it was a timer, without the error of an attempt before it', () => {
    const { step, draft } = endedBy(
      { kind: 'parked', output: 'o' },
      { error: ERROR, failures: 1, max_attempts: 2 },
    );
    wakeStep(draft, step);
    expect(step).toMatchObject({ status: 'succeeded', output: 'o', error: null, wake_at: null });
  });

  it('is held for its next attempt when it was a delay', () => {
    const { step, draft } = endedBy(FAILED, { max_attempts: 2 });
    wakeStep(draft, step);
    expect(step).toMatchObject({ status: 'pending', reason: 'held', wake_at: null, error: ERROR });
  });
});
