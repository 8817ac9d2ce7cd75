import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JOB_STATUSES } from '../../src/domain/job-status.ts';
import { addSteps, changeStep, moveJob, moveStep } from '../../src/domain/moves/draft.ts';
import { grantClaim, hold, isOpenForWork, promoteHeld, room } from '../../src/domain/moves/hold.ts';
import { counters, draftOf, draftOfGraph, NOW, statuses, stepOf, stepState } from './drafts.ts';

const GRANT = { claim_id: 'c', claimed_by: 'w', ttl_ms: 1000 };
const held = (ordinal: number) => stepState(ordinal, { reason: 'held' });

describe('holding steps back', () => {
  it('lets steps become ready only while the job is queued or running', () => {
    for (const status of JOB_STATUSES) {
      const draft = draftOf([held(0)], { status });
      promoteHeld(draft, [...draft.steps.values()]);
      const open = status === 'queued' || status === 'running';
      expect([status, isOpenForWork(draft.job), room(draftOf([held(0)], { status }).job)]).toEqual([
        status,
        open,
        open ? Number.POSITIVE_INFINITY : 0,
      ]);
      expect(statuses(draft)).toEqual([open ? 'ready' : 'pending']);
    }
  });

  it('promotes in order, as far as `max_parallel` has room, and never past it', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 8 }),
        fc.nat({ max: 3 }),
        fc.integer({ min: 1, max: 10 }),
        (waiting, busy, most) => {
          const running = Array.from({ length: busy }, (_, i) => stepState(100 + i, { status: 'running' }));
          const steps = Array.from({ length: waiting }, (_, i) => held(waiting - i - 1));
          const draft = draftOf([...steps, ...running], { status: 'running', max_parallel: most });
          promoteHeld(draft, [...draft.steps.values()]);
          const free = Math.max(0, Math.min(waiting, most - busy));
          expect(draft.promoted.map((step) => step.ordinal)).toEqual([...Array(free).keys()]);
          expect(counters(draft).counted).toEqual(counters(draft).recounted);
        },
      ),
    );
  });

  it('leaves alone what still has needs or an `if` to be decided', () => {
    const draft = draftOf([stepState(0, { unmet: 1 }), stepState(1, { undecided: true })]);
    promoteHeld(draft, [...draft.steps.values()]);
    expect(statuses(draft)).toEqual(['pending', 'pending']);
  });

  it('gives each step of a job a turn 5 ms after the one before, so that others slip in', () => {
    const draft = draftOfGraph([[], [], []]);
    expect(draft.promoted.map((step) => step.turn)).toEqual([NOW, NOW + 5, NOW + 10]);
    hold(draft, stepOf(draft, 0), { turn: null });
    promoteHeld(draft, [...draft.steps.values()]);
    expect(stepOf(draft, 0).turn).toBe(NOW + 10);
  });
});

describe('a claim', () => {
  it('starts a new attempt and, the first of all, the job', () => {
    const draft = draftOfGraph([[], []]);
    grantClaim(draft, stepOf(draft, 0), GRANT);
    expect(stepOf(draft, 0)).toMatchObject({
      status: 'running',
      attempt: 1,
      claim_id: 'c',
      claimed_by: 'w',
      started_at: NOW,
    });
    expect(draft.job).toMatchObject({ status: 'running', started_at: NOW });
    draft.job.started_at = 5;
    grantClaim(draft, stepOf(draft, 1), GRANT);
    expect(draft.job).toMatchObject({ status: 'running', started_at: 5, steps_running: 2 });
  });

  it('never outlives the deadline of the attempt or of the job', () => {
    fc.assert(
      fc.property(fc.nat(9000), fc.nat(9000), fc.nat(9000), (ttl_ms, timeout_ms, left) => {
        const draft = draftOfGraph([[]], [{ timeout_ms }], { deadline_at: NOW + left });
        grantClaim(draft, stepOf(draft, 0), { ...GRANT, ttl_ms });
        expect(stepOf(draft, 0).claim_expires_at).toBe(NOW + Math.min(ttl_ms, timeout_ms, left));
      }),
    );
  });
});

describe('a draft', () => {
  it('refuses moves that the tables do not know', () => {
    const draft = draftOfGraph([[]]);
    expect(() => moveStep(draft, stepOf(draft, 0), 'succeeded')).toThrow(
      '"s0" may not move from ready to succeeded',
    );
    expect(() => moveJob(draft, 'scheduled')).toThrow('may not move from queued to scheduled');
  });

  it('keeps a loaded step as the draft has it', () => {
    const draft = draftOf([held(0)]);
    addSteps(draft, [stepState(0, { losses: 9 }), stepState(1)]);
    expect([...draft.steps.values()].map((step) => step.losses)).toEqual([0, 0]);
  });

  it('keeps of each step how it was when it was loaded', () => {
    const draft = draftOfGraph([[]]);
    draft.before.clear();
    changeStep(draft, stepOf(draft, 0), { losses: 1 });
    changeStep(draft, stepOf(draft, 0), { losses: 2 });
    expect(draft.before.get(0)?.losses).toBe(0);
  });

  it('takes what a running step reported off the progress of the job when it stops', () => {
    const draft = draftOf([stepState(0, { status: 'running', progress: 0.5 })], {
      status: 'running',
      running_progress: 0.75,
    });
    hold(draft, stepOf(draft, 0));
    expect(draft.job.running_progress).toBe(0.25);
    expect(stepOf(draft, 0).progress).toBeNull();
  });
});
