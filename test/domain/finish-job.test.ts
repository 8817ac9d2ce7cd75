import { describe, expect, it } from 'vitest';
import { JOB_STATUSES } from '../../src/domain/job-status.ts';
import { moveStep } from '../../src/domain/moves/draft.ts';
import { cancelJobDraft, decideOutput, finishJob, timeOutJob } from '../../src/domain/moves/finish-job.ts';
import { pauseJobDraft, restingStatus, resumeJobDraft } from '../../src/domain/moves/pause-job.ts';
import { draftOf, draftOfGraph, NOW, statuses, stepState } from './drafts.ts';

const done = (ordinal: number) => stepState(ordinal, { status: 'succeeded', finished_at: 1 });
const OPEN = ['pending', 'ready', 'running', 'waiting'] as const;

describe('a job', () => {
  it('goes on while any step is open', () => {
    for (const status of OPEN) {
      const draft = draftOf([done(0), stepState(1, { status })], { status: 'running' });
      finishJob(draft);
      expect(draft.job).toMatchObject({ status: 'running', progress: 0.5 });
    }
  });

  it('succeeds when its last step ended and none failed for good, from wherever it was', () => {
    for (const status of ['scheduled', 'queued', 'running', 'paused'] as const) {
      const draft = draftOf([done(0), stepState(1, { status: 'skipped' })], { status, started_at: 5 });
      finishJob(draft);
      expect(draft.job).toMatchObject({
        status: 'succeeded',
        progress: 1,
        finished_at: NOW,
        started_at: 5,
        reason: null,
      });
    }
  });

  it('fails when a step failed for good, and then its output is not asked for', () => {
    const draft = draftOf([stepState(0, { status: 'failed' })], {
      status: 'running',
      hard_failures: 1,
      has_output: true,
    });
    finishJob(draft);
    expect(draft.job).toMatchObject({ status: 'failed', reason: 'step_failed', started_at: null });
  });

  it('waits for its output to be evaluated, once', () => {
    const draft = draftOf([done(0)], { status: 'running', has_output: true });
    finishJob(draft);
    finishJob(draft);
    expect(draft.job).toMatchObject({
      status: 'running',
      output_undecided: true,
      reason: 'output_undecided',
    });
    decideOutput(draft, { ok: true, value: 7 });
    expect(draft.job).toMatchObject({
      status: 'succeeded',
      output: 7,
      output_undecided: false,
      reason: null,
    });
  });

  it('fails by an output that cannot be evaluated; its steps keep what they have', () => {
    const draft = draftOf([done(0)], { status: 'running', has_output: true, output_undecided: true });
    const error = { code: 'expression_error', message: 'no such key' };
    decideOutput(draft, { ok: false, error });
    expect(draft.job).toMatchObject({ status: 'failed', reason: 'expression_error', error });
    expect(statuses(draft)).toEqual(['succeeded']);
  });

  it('that is over stays as it is', () => {
    for (const status of ['succeeded', 'failed', 'cancelled'] as const) {
      const draft = draftOf([done(0)], { status });
      finishJob(draft);
      expect([draft.job.status, draft.jobChanged]).toEqual([status, false]);
    }
  });

  it('cancelled by hand takes everything open with it, at once', () => {
    for (const reason of [null, 'not needed']) {
      const draft = draftOf([
        done(0),
        ...OPEN.map((status, i) => stepState(i + 1, { status, dependents: [9] })),
      ]);
      cancelJobDraft(draft, reason);
      expect(statuses(draft)).toEqual(['succeeded', 'cancelled', 'cancelled', 'cancelled', 'cancelled']);
      expect(draft.job).toMatchObject({
        status: 'cancelled',
        reason: reason ?? 'cancelled by hand',
        finished_at: NOW,
      });
      expect(draft.unheard).toEqual([]);
    }
  });

  it('past its deadline fails, and its open steps are cancelled', () => {
    const draft = draftOf([stepState(0, { status: 'waiting' })], { status: 'paused' });
    timeOutJob(draft);
    expect(statuses(draft)).toEqual(['cancelled']);
    expect(draft.job).toMatchObject({
      status: 'failed',
      reason: 'job_timeout',
      error: { code: 'job_timeout' },
    });
  });
});

describe('pause and resume', () => {
  it('holds what is ready again, and leaves the rest where it is', () => {
    const draft = draftOfGraph([[], [], [0]]);
    moveStep(draft, draft.steps.get(1) as never, 'running');
    pauseJobDraft(draft);
    expect(draft.job).toMatchObject({ status: 'paused', reason: 'paused by hand' });
    expect(statuses(draft)).toEqual(['pending', 'running', 'pending']);
    expect(draft.steps.get(0)).toMatchObject({ reason: 'held', turn: null, ready_at: null });
  });

  it('goes back to where `run_at` and the first start put the job', () => {
    expect(restingStatus(null, null, NOW)).toBe('queued');
    expect(restingStatus(NOW - 1, null, NOW)).toBe('queued');
    expect(restingStatus(NOW + 1, null, NOW)).toBe('scheduled');
    expect(restingStatus(NOW + 1, NOW, NOW)).toBe('running');
    const draft = draftOf([stepState(0)], { status: 'paused', reason: 'paused by hand', started_at: 5 });
    resumeJobDraft(draft);
    expect(draft.job).toMatchObject({ status: 'running', reason: null });
  });

  it('still evaluates the output of a job whose steps ended while it was paused', () => {
    const draft = draftOf([done(0)], { status: 'paused', output_undecided: true });
    resumeJobDraft(draft);
    expect(draft.job).toMatchObject({ status: 'queued', reason: 'output_undecided', output_undecided: true });
  });

  it('pauses whatever is not over', () => {
    for (const status of JOB_STATUSES) {
      const draft = draftOf([stepState(0)], { status });
      if (status === 'scheduled' || status === 'queued' || status === 'running') pauseJobDraft(draft);
      else expect(() => pauseJobDraft(draft)).toThrow('may not move');
    }
  });
});
