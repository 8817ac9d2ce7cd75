import { describe, expect, test } from 'vitest';
import { type BlockedStep, type BlockingJob, blockedBy, type Offers } from '../../src/domain/blocked-by.ts';

const step = (fields: Partial<BlockedStep> = {}): BlockedStep => ({
  status: 'pending',
  reason: null,
  uses: 'resize',
  queue: 'default',
  undecided: false,
  wake_at: null,
  needs: [],
  ...fields,
});
const job = (fields: Partial<BlockingJob> = {}): BlockingJob => ({
  status: 'running',
  run_at: null,
  max_parallel: null,
  steps_ready: 0,
  steps_running: 0,
  ...fields,
});
const offers = (...live: Partial<Offers['live'][number]>[]): Offers => ({
  live: live.map((offer) => ({ uses: ['resize'], queues: null, slots: 1, ...offer })),
  builtIn: ['shell', 'value'],
});
const at = new Date('2026-11-20T08:00:00Z');

describe('a step that is pending', () => {
  test('names the needs that have not ended, in order, and how they stand', () => {
    const needs = [
      { name: 'a', status: 'succeeded' as const },
      { name: 'b', status: 'running' as const },
      { name: 'c', status: 'pending' as const },
    ];
    expect(blockedBy(step({ needs }), job(), offers())).toEqual([
      { code: 'needs', message: 'waits for "b" (running), "c" (pending)' },
    ]);
  });

  test('names five needs of many, and how many more there are', () => {
    const needs = Array.from({ length: 8 }, (_, i) => ({ name: `n${i}`, status: 'ready' as const }));
    const [blocked] = blockedBy(step({ needs }), job(), offers());
    expect(blocked?.message).toContain('"n4" (ready) and 3 more');
    expect(blocked?.message).not.toContain('n5');
  });

  test('names the pause and the start of the job besides its needs', () => {
    const needs = [{ name: 'a', status: 'ready' as const }];
    const codes = (given: BlockingJob) =>
      blockedBy(step({ needs }), given, offers()).map((hold) => hold.code);
    expect(codes(job({ status: 'paused' }))).toEqual(['needs', 'paused']);
    expect(codes(job({ status: 'scheduled', run_at: at }))).toEqual(['needs', 'run_at']);
  });

  test('names the instant at which the job is to start', () => {
    expect(blockedBy(step(), job({ status: 'scheduled', run_at: at }), offers())).toEqual([
      { code: 'run_at', message: 'the job is to start at 2026-11-20T08:00:00.000Z' },
    ]);
    expect(blockedBy(step(), job({ status: 'scheduled' }), offers())[0]?.message).toContain('later');
  });

  test('names max_parallel when only that holds it', () => {
    const full = job({ max_parallel: 3, steps_ready: 1, steps_running: 2 });
    expect(blockedBy(step(), full, offers())).toEqual([
      {
        code: 'max_parallel',
        message: 'max_parallel of the job is 3, and 3 of its steps are ready or running',
      },
    ]);
  });

  test('is about to go on when nothing holds it', () => {
    expect(blockedBy(step({ undecided: true }), job(), offers())[0]).toMatchObject({ code: 'busy' });
    expect(blockedBy(step(), job(), offers())[0]).toMatchObject({ code: 'busy' });
  });
});

describe('a step that is waiting', () => {
  test('tells a timer from a retry delay, and until when', () => {
    expect(blockedBy(step({ status: 'waiting', reason: 'timer', wake_at: at }), job(), offers())).toEqual([
      { code: 'timer', message: 'its timer runs until 2026-11-20T08:00:00.000Z' },
    ]);
    expect(
      blockedBy(step({ status: 'waiting', reason: 'retry_delay', wake_at: at }), job(), offers()),
    ).toEqual([
      { code: 'retry_delay', message: 'waits until 2026-11-20T08:00:00.000Z before the next attempt' },
    ]);
    expect(blockedBy(step({ status: 'waiting' }), job(), offers())[0]?.message).toBe(
      'waits before the next attempt',
    );
  });

  test('also names the pause that will hold it afterwards', () => {
    const holds = blockedBy(
      step({ status: 'waiting', reason: 'timer' }),
      job({ status: 'paused' }),
      offers(),
    );
    expect(holds.map((hold) => hold.code)).toEqual(['timer', 'paused']);
  });
});

describe('a step that is ready', () => {
  const ready = (fields: Partial<BlockedStep> = {}) => step({ status: 'ready', ...fields });
  const only = (given: BlockedStep, live: Offers) => {
    const [hold, ...more] = blockedBy(given, job(), live);
    expect(more).toEqual([]);
    return hold;
  };

  test('waits for its turn where somebody serves it', () => {
    expect(only(ready(), offers({}))).toEqual({
      code: 'busy',
      message: 'waits for its turn; one slot serves it',
    });
    const live = offers({ slots: 4 }, { slots: 3, queues: ['default', 'x'] }, { slots: 9, queues: ['x'] });
    expect(only(ready(), live)?.message).toContain('7 slots serve it');
  });

  test('says that nobody lives, that nobody offers the action, or that nobody serves the queue', () => {
    expect(only(ready(), offers())).toMatchObject({
      code: 'no_worker',
      message: expect.stringContaining('at all'),
    });
    expect(only(ready(), offers({ uses: ['value'] }))).toEqual({
      code: 'no_worker',
      message: 'no live worker offers `resize`',
    });
    const queue = only(ready({ queue: 'gpu' }), offers({ queues: ['default'] }));
    expect(queue).toMatchObject({ code: 'no_worker', message: expect.stringMatching(/`gpu`.*QUEUES/) });
  });

  test('names ACTIONS when the action is one of ours that is switched off', () => {
    const off = only(ready({ uses: 'shell' }), offers({ uses: ['value'] }));
    expect(off).toMatchObject({
      code: 'no_worker',
      message: expect.stringMatching(/`shell` is switched off.*ACTIONS/),
    });
  });
});

test.each(['running', 'succeeded', 'failed', 'skipped', 'cancelled'] as const)(
  'nothing blocks a step that is %s',
  (status) => {
    expect(blockedBy(step({ status }), job({ status: 'paused' }), offers())).toEqual([]);
  },
);
