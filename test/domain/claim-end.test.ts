import { describe, expect, it } from 'vitest';
import { type ClaimEnd, type ClaimTrace, claimEndOf, claimRefusal } from '../../src/domain/claim-end.ts';

type Attempt = NonNullable<ClaimTrace['attempt']>;
type Step = NonNullable<ClaimTrace['step']>;

const step = (status: Step['status'], reason: string | null = null, wakes_in_ms: number | null = null) =>
  claimEndOf({ step: { status, reason, wakes_in_ms }, attempt: null });
const attempt = (
  outcome: Attempt['outcome'],
  more: Partial<Attempt> = {},
  wakes_in_ms: number | null = null,
) =>
  claimEndOf({
    step: wakes_in_ms === null ? null : { status: 'waiting', reason: 'retry_delay', wakes_in_ms },
    attempt: { outcome, settled: false, ...more },
  });

const completed = { kind: 'ended', verb: 'complete', outcome: 'succeeded' };
const failed = { kind: 'ended', verb: 'fail', outcome: 'failed' };
const lost = (reason: string) => ({
  kind: 'lost',
  reason,
  detail: expect.stringContaining('drop this result'),
});

describe('what became of a claim', () => {
  it('is told by its step, as long as that remembers', () => {
    expect(step('running')).toEqual({ kind: 'running' });
    expect(step('succeeded')).toEqual(completed);
    expect(step('waiting', 'timer')).toEqual(completed);
    expect(step('failed', 'no_such_image')).toEqual(failed);
    // Codes that a worker made up are no reasons of ours.
    expect(step('failed', 'timeout')).toEqual(failed);
    expect(step('failed', 'timed_out')).toEqual(lost('timed_out'));
    expect(step('failed', 'claim_lost_limit')).toEqual(lost('expired'));
    expect(step('cancelled', 'job_cancelled')).toEqual(lost('cancelled'));
  });

  it('is told by its attempt once the step goes on without it', () => {
    expect(attempt('succeeded', { settled: true })).toEqual(completed);
    expect(attempt('failed', { settled: true })).toEqual(failed);
    expect(attempt('failed')).toEqual({ ...failed, outcome: 'retrying' });
    expect(attempt('failed', {}, 70.2)).toEqual({ ...failed, outcome: 'retrying', retry_in_ms: 71 });
    expect(attempt('failed', {}, -5)).toEqual({ ...failed, outcome: 'retrying' });
    expect(attempt('released')).toEqual({ kind: 'ended', verb: 'release', outcome: 'released' });
    expect(attempt('released', {}, 9)).toMatchObject({ outcome: 'released', retry_in_ms: 9 });
    expect(attempt('released', { removed: true })).toEqual(lost('removed'));
    expect(attempt('timed_out')).toEqual(lost('timed_out'));
    expect(attempt('lost')).toEqual(lost('expired'));
    expect(attempt('cancelled')).toEqual(lost('cancelled'));
  });

  it('is unknown where neither was ever there', () => {
    expect(claimEndOf({ step: null, attempt: null })).toEqual({ kind: 'unknown' });
  });

  it('says why the work ended with its job', () => {
    const detail = (reason: string | null) => (step('cancelled', reason) as { detail: string }).detail;
    expect(detail('job_cancelled')).toMatch(/^the job was cancelled;/);
    expect(detail('fail_fast')).toMatch(/^another step of the job failed/);
    expect(detail('job_timeout')).toMatch(/within its timeout/);
    expect(detail(null)).toBe(detail('job_cancelled'));
  });
});

describe('a call about a claim that is over', () => {
  it('is refused by what became of the claim', () => {
    const refusal = (end: Exclude<ClaimEnd, { kind: 'running' }>) => {
      const { code, message, members } = claimRefusal(end);
      return { code, message, members };
    };
    expect(refusal({ kind: 'unknown' })).toMatchObject({ code: 'claim_not_found', members: {} });
    expect(refusal({ kind: 'lost', reason: 'expired', detail: 'gone' })).toEqual({
      ...{ code: 'claim_lost', message: 'gone', members: { reason: 'expired' } },
    });
    expect(refusal({ kind: 'ended', verb: 'release', outcome: 'released' })).toMatchObject({
      ...{ code: 'claim_settled', message: expect.stringContaining('ended by release') },
    });
  });
});
