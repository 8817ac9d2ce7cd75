import { describe, expect, it } from 'vitest';
import type { ActionContext } from '../../src/actions/action.ts';
import { value } from '../../src/actions/value.ts';
import { wait } from '../../src/actions/wait.ts';

const DAY = 86_400_000;

const context: ActionContext = {
  signal: new AbortController().signal,
  log() {},
  progress() {},
  claim: { id: 'c', job_id: 'j', step: 's', attempt: 1, retry_round: 0 },
};

describe('wait', () => {
  it('parks the step for a duration', async () => {
    expect(await wait.run({ for: '1h30m' }, context)).toEqual({
      kind: 'parked',
      for_ms: 5_400_000,
      output: { for_ms: 5_400_000 },
    });
    expect(await wait.run({ for: 30 }, context)).toMatchObject({ kind: 'parked', for_ms: 30_000 });
    expect(await wait.run({ for: '30d' }, context)).toMatchObject({ kind: 'parked', for_ms: 30 * DAY });
  });

  it('parks the step until an instant, told in UTC', async () => {
    const instant = new Date(Date.now() + DAY);
    const shifted = new Date(instant.getTime() + 3_600_000).toISOString().replace('Z', '+01:00');
    const until = instant.toISOString();
    expect(await wait.run({ until: shifted }, context)).toEqual({ kind: 'parked', until, output: { until } });
  });

  it('is over at once when the instant is past', async () => {
    expect(await wait.run({ until: '2020-02-29T12:00:00.5-02:00' }, context)).toEqual({
      kind: 'succeeded',
      output: { until: '2020-02-29T14:00:00.500Z' },
    });
    expect(await wait.run({ until: '0050-01-01t00:00:00z' }, context)).toMatchObject({ kind: 'succeeded' });
  });

  it('fails for good when an expression gave something else than a wait', async () => {
    const far = new Date(Date.now() + 31 * DAY).toISOString();
    for (const bad of [{ for: 'soon' }, { for: '31d' }, { for: 0 }, { until: 'later' }, { until: far }]) {
      expect(await wait.run(bad, context), JSON.stringify(bad)).toMatchObject({
        kind: 'failed',
        error: { code: 'with_invalid', message: expect.stringMatching(/^`(for|until)`: /) },
        retryable: false,
      });
    }
  });

  it('holds no slot', () => {
    expect(wait.instant).toBe(true);
  });
});

describe('value', () => {
  it('gives its `with` as its output, whatever it is', async () => {
    for (const any of [null, 0, 'x', [1, [2]], { a: { b: null } }]) {
      expect(await value.run(any, context)).toEqual({ kind: 'succeeded', output: any });
    }
    expect(value.instant).toBe(true);
  });
});
