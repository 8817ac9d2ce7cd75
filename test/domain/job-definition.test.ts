import { describe, expect, it } from 'vitest';
import { ALL_ACTIONS, createCatalogue } from '../../src/actions/catalogue.ts';
import { checkWith } from '../../src/actions/check-with.ts';
import { type ActionChecks, isAboutAction, withoutServed } from '../../src/domain/job-definition/actions.ts';
import { type NormalJob, normaliseJob } from '../../src/domain/job-definition/normalise.ts';
import type { Json, JsonObject } from '../../src/domain/json.ts';
import { createOutbound } from '../../src/outbound/outbound.ts';

const outbound = createOutbound({ allow: [], userAgent: 'holdfast/test' });

function actionChecks(on: readonly string[] = ALL_ACTIONS): ActionChecks {
  const catalogue = createCatalogue({ actions: on, shellEnv: [], environment: {}, outbound });
  return {
    known: new Set(catalogue.keys()),
    builtin: new Set(ALL_ACTIONS),
    checkWith: (uses, template, pointer) => {
      const action = catalogue.get(uses);
      return action === undefined ? [] : checkWith(action, template, pointer);
    },
  };
}

function normalise(body: Json, on?: readonly string[]): NormalJob {
  const result = normaliseJob(body, actionChecks(on));
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.job;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const DEFAULT_RETRY = {
  max_attempts: 1,
  max_losses: 5,
  backoff: 'exponential',
  delay: '1s',
  max_delay: '5m',
  jitter: true,
};

describe('normaliseJob', () => {
  it('turns the smallest job into one step called main, with every default', () => {
    const { definition, ...job } = normalise({ name: 'hello', uses: 'shell', with: { run: 'echo hi' } });
    expect(job).toEqual({
      name: 'hello',
      priority: 0,
      labels: {},
      input: null,
      run_at: null,
      delay_ms: null,
      timeout_ms: 30 * DAY,
      max_parallel: null,
      fail_fast: false,
      output: null,
      output_reads: null,
      levels: [[0]],
      warnings: [],
      steps: [
        {
          ordinal: 0,
          name: 'main',
          uses: 'shell',
          queue: 'default',
          needs: [],
          dependents: [],
          if: null,
          if_uses_status: false,
          if_reads: [],
          with: { run: 'echo hi' },
          with_reads: null,
          with_reads_needs: false,
          timeout_ms: DAY,
          max_attempts: 1,
          max_losses: 5,
          backoff: 'exponential',
          retry_delay_ms: 1000,
          retry_max_delay_ms: 5 * MINUTE,
          retry_jitter: true,
          continue_on_error: false,
        },
      ],
    });
    expect(definition).toEqual({
      name: 'hello',
      queue: 'default',
      priority: 0,
      timeout: '30d',
      fail_fast: false,
      defaults: { timeout: '1d', retry: DEFAULT_RETRY },
      steps: [{ name: 'main', uses: 'shell', with: { run: 'echo hi' } }],
    });
  });

  it('gives timeout, priority and labels beside `uses` to the job, the rest to its step', () => {
    const job = normalise({
      name: 'one',
      uses: 'value',
      if: 'input.on',
      input: { on: true },
      queue: 'slow',
      timeout: '1h',
      priority: 7,
      labels: { team: 'data' },
      retry: { max_attempts: 3 },
      continue_on_error: true,
    });
    expect(job).toMatchObject({
      timeout_ms: HOUR,
      priority: 7,
      labels: { team: 'data' },
      input: { on: true },
    });
    expect(job.steps).toMatchObject([
      {
        if: 'input.on',
        queue: 'slow',
        timeout_ms: DAY,
        max_attempts: 3,
        continue_on_error: true,
        with: null,
      },
    ]);
    expect(job.definition.steps).toEqual([
      { name: 'main', if: 'input.on', uses: 'value', retry: { max_attempts: 3 }, continue_on_error: true },
    ]);
  });

  it('reads every field of the job and of a step', () => {
    const job = normalise({
      name: 'é'.repeat(200),
      input: [1],
      labels: { 'a/b': '', c: 'x'.repeat(200) },
      queue: 'reports',
      priority: -100,
      run_at: '2026-11-21T02:00:00.5+01:00',
      timeout: 7200,
      max_parallel: 4,
      fail_fast: true,
      defaults: { timeout: '5m', retry: { max_attempts: 3 } },
      steps: [
        { name: 'extract', uses: 'value', with: { rows: [1] }, queue: 'fast', timeout: '30s' },
        {
          name: 'publish',
          needs: ['extract'],
          if: '${{ size(steps.extract.output.rows) > 0 && !failure() }}',
          uses: 'shell',
          with: { run: 'publish.sh', env: { ROWS: '${{ steps.extract.output.rows }}' } },
          retry: {
            max_attempts: 5,
            max_losses: 0,
            backoff: 'linear',
            delay: '2s',
            max_delay: '1m',
            jitter: false,
          },
        },
      ],
      output: { said: '${{ steps.publish.output.stdout }}' },
    });
    expect(job).toMatchObject({
      priority: -100,
      run_at: new Date('2026-11-21T01:00:00.500Z'),
      delay_ms: null,
      timeout_ms: 2 * HOUR,
      max_parallel: 4,
      fail_fast: true,
      output: { said: '${{ steps.publish.output.stdout }}' },
      output_reads: [1],
      levels: [[0], [1]],
    });
    expect(job.steps).toMatchObject([
      { queue: 'fast', timeout_ms: 30_000, max_attempts: 3, dependents: [1], with_reads: null },
      {
        ...{ queue: 'reports', timeout_ms: 5 * MINUTE, max_attempts: 5, max_losses: 0, backoff: 'linear' },
        ...{ retry_delay_ms: 2000, retry_max_delay_ms: MINUTE, retry_jitter: false, needs: [0] },
        ...{ if_uses_status: true, if_reads: [0], with_reads: [0], with_reads_needs: false },
      },
    ]);
    expect(job.definition).toMatchObject({
      run_at: '2026-11-21T01:00:00.500Z',
      timeout: '2h',
      max_parallel: 4,
    });
    expect(job.definition.steps).toMatchObject([{ queue: 'fast', timeout: '30s' }, { needs: ['extract'] }]);
  });

  it.each([
    ['2026-11-21T02:00:00Z', '2026-11-21T02:00:00.000Z'],
    ['2026-11-21t02:00:00z', '2026-11-21T02:00:00.000Z'],
    ['2024-02-29T23:59:59.123456-05:30', '2024-03-01T05:29:59.123Z'],
  ])('takes %s for an instant', (run_at, instant) => {
    expect(normalise({ name: 'j', uses: 'value', run_at }).run_at?.toISOString()).toBe(instant);
  });

  it('reads a delay, and none where it is zero', () => {
    expect(normalise({ name: 'j', uses: 'value', delay: '10m' }).delay_ms).toBe(10 * MINUTE);
    expect(normalise({ name: 'j', uses: 'value', delay: 0 }).delay_ms).toBeNull();
  });

  it('counts characters of a name, not units', () => {
    expect(normalise({ name: '😀'.repeat(200), uses: 'value' }).name).toHaveLength(400);
  });

  it('takes a condition that is true or false', () => {
    expect(normalise({ name: 'j', uses: 'value', if: false }).steps[0]?.if).toBe('false');
  });

  it('takes null for no value where any JSON may stand', () => {
    const job = normalise({ name: 'j', uses: 'value', with: null, input: null, output: null });
    expect(Object.keys(job.definition)).not.toContain('input');
    expect(job.definition.steps).toEqual([{ name: 'main', uses: 'value' }]);
  });

  it('keeps odd names apart from what every object inherits', () => {
    const names = ['__proto__', 'constructor', 'toString'];
    const job = normalise({
      name: 'j',
      labels: JSON.parse('{"__proto__": "x"}') as JsonObject,
      steps: names.map((name, index) => ({ name, uses: 'value', needs: names.slice(0, index) })),
    });
    expect(job.steps.map(({ needs }) => needs)).toEqual([[], [0], [0, 1]]);
    expect(Object.entries(job.labels)).toEqual([['__proto__', 'x']]);
  });
});

describe('needs', () => {
  const step = (name: string, fields: JsonObject = {}) => ({ name, uses: 'value', ...fields });

  it('keep the order given, and `enables` adds to them from the other side', () => {
    const job = normalise({
      name: 'j',
      steps: [
        step('d', { needs: ['c', 'a'] }),
        step('a', { enables: ['d'] }),
        step('b', { enables: ['d', 'c'] }),
        step('c'),
      ],
    });
    expect(job.steps.map(({ needs }) => needs)).toEqual([[3, 1, 2], [], [], [2]]);
    expect(job.steps.map(({ dependents }) => dependents)).toEqual([[], [0], [0, 3], [0]]);
    expect(job.levels).toEqual([[1, 2], [3], [0]]);
    expect(job.definition.steps).toMatchObject([{ needs: ['c', 'a', 'b'] }, {}, {}, { needs: ['b'] }]);
    expect(JSON.stringify(job.definition)).not.toContain('enables');
  });
});

describe('retry', () => {
  const retryOf = (retry: JsonObject, defaults: JsonObject = {}) => {
    const job = normalise({
      name: 'j',
      defaults: { retry: defaults },
      steps: [{ name: 'a', uses: 'value', retry }],
    });
    const [step] = job.steps;
    return { delay: step?.retry_delay_ms, max_delay: step?.retry_max_delay_ms, warnings: job.warnings };
  };

  it('lets an inherited delay make room for the one that is stated', () => {
    expect(retryOf({ max_attempts: 2, delay: '10m' })).toMatchObject({ delay: 600_000, max_delay: 600_000 });
    expect(retryOf({ max_attempts: 2, max_delay: '100ms' })).toMatchObject({ delay: 100, max_delay: 100 });
    expect(retryOf({ max_delay: '5s' }, { max_attempts: 2, delay: '20s' })).toMatchObject({ delay: 5000 });
    expect(retryOf({ max_attempts: 2, delay: 0 })).toMatchObject({ delay: 0, max_delay: 300_000 });
  });

  it('warns of delays without retries', () => {
    const warning = {
      pointer: '/steps/0/retry',
      code: 'never_retried',
      detail: '`max_attempts` is 1, so this step is never retried; `max_attempts: 3` retries twice',
    };
    expect(retryOf({ delay: '5s' }).warnings).toEqual([warning]);
    expect(retryOf({ jitter: false, max_attempts: 1 }).warnings).toEqual([warning]);
    expect(retryOf({ delay: '5s' }, { max_attempts: 2 }).warnings).toEqual([]);
    expect(retryOf({ max_losses: 0 }).warnings).toEqual([]);
  });
});

describe('reads', () => {
  it('name the steps whose outputs an expression takes, and the needs where `needs` is read', () => {
    const step = (name: string, fields: JsonObject = {}) => ({ name, uses: 'value', ...fields });
    const job = normalise({
      name: 'j',
      steps: [
        step('a'),
        step('b', { needs: ['a'] }),
        step('c'),
        step('join', {
          needs: ['c', 'b'],
          if: 'needs.all(n, n.status == "succeeded") || always()',
          with: { a: '${{ steps.a.output }}', sizes: '${{ needs.map(n, n.output) }}' },
        }),
        step('last', { needs: ['join'], if: 'steps.c.status == "failed"', with: '$${{ not one }}' }),
      ],
      output: ['${{ steps.last.output }}', '${{ steps.a.output }}'],
    });
    const [, , , join, last] = job.steps;
    expect(join).toMatchObject({ if_reads: [1, 2], with_reads: [0, 1, 2], with_reads_needs: true });
    expect(join?.if_uses_status).toBe(true);
    expect(last).toMatchObject({
      if_reads: [2],
      if_uses_status: false,
      with_reads: [],
      with_reads_needs: false,
    });
    expect(job.output_reads).toEqual([0, 4]);
  });
});

describe('warnings', () => {
  const steps = ['shell', 'shel', 'resize', 'wait', 'resize'].map((uses, index) => ({
    name: `s${index}`,
    uses,
    with: { run: 'x', for: '5s' },
  }));

  it('say once for each action what is not on here, and what was meant', () => {
    expect(normalise({ name: 'j', steps }, ['value']).warnings).toEqual([
      {
        pointer: '/steps/0/uses',
        code: 'action_switched_off',
        detail: 'the action `shell` is switched off on this server; name it in the setting ACTIONS',
      },
      {
        pointer: '/steps/1/uses',
        code: 'unknown_action',
        detail:
          'this server has no action `shel`, only value; the step waits until a worker offers it; did you mean `shell`?',
      },
      {
        pointer: '/steps/2/uses',
        code: 'unknown_action',
        detail: 'this server has no action `resize`, only value; the step waits until a worker offers it',
      },
      expect.objectContaining({ pointer: '/steps/3/uses', code: 'action_switched_off' }),
    ]);
  });

  it('leave out the actions that live workers take from each queue in which the job uses them', () => {
    const retry = { max_delay: '5s' };
    const job = normalise(
      { name: 'j', steps: [...steps, { name: 'q', uses: 'resize', queue: 'q', retry }] },
      ['value'],
    );
    const left = (...live: { uses: string[]; queues: string[] | null }[]) =>
      withoutServed(
        job,
        live.map((offer) => ({ ...offer, slots: 1 })),
      ).map(({ pointer, code }) => `${pointer} ${code}`);
    const all = job.warnings.map(({ pointer, code }) => `${pointer} ${code}`);
    expect(left()).toEqual(all);
    const resize = '/steps/2/uses unknown_action';
    expect(all).toContain(resize);
    expect(left({ uses: ['resize'], queues: ['q'] })).toEqual(all);
    const rest = all.filter((warning) => warning !== resize);
    expect(left({ uses: ['resize'], queues: ['q'] }, { uses: ['resize'], queues: ['default'] })).toEqual(
      rest,
    );
    expect(left({ uses: ['resize'], queues: null })).toEqual(rest);
    expect(left({ uses: ['shel', 'shell', 'wait', 'resize'], queues: null })).toEqual([
      expect.stringContaining('/retry'),
    ]);
    const short = normalise({ name: 'j', uses: 'resize' });
    expect(withoutServed(short, [{ uses: ['resize'], queues: null, slots: 1 }])).toEqual([]);
    expect(short.warnings.map(isAboutAction)).toEqual([true]);
  });

  it('are at most 100', () => {
    const strange = Array.from({ length: 200 }, (_, index) => ({
      name: `s${index}`,
      uses: `remote-${index}`,
    }));
    expect(normalise({ name: 'j', steps: strange }).warnings).toHaveLength(100);
  });
});

describe('the actions', () => {
  it('check their own `with`', () => {
    const result = normaliseJob(
      {
        name: 'j',
        steps: [
          { name: 'a', uses: 'shell', with: { rum: 'x' } },
          { name: 'b', uses: 'shell' },
        ],
      },
      actionChecks(),
    );
    expect(result).toMatchObject({
      ok: false,
      problems: [
        { pointer: '/steps/0/with', code: 'missing_field' },
        { pointer: '/steps/0/with/rum', code: 'unknown_field' },
        {
          pointer: '/steps/1/with',
          code: 'missing_field',
          detail: expect.stringContaining('`run` is missing'),
        },
      ],
    });
  });
});
