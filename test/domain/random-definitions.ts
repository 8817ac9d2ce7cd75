import fc from 'fast-check';
import type { ActionChecks } from '../../src/domain/job-definition/actions.ts';
import type { Json, JsonObject } from '../../src/domain/json.ts';
import { BACKOFFS } from '../../src/domain/retry-policy.ts';

/** Random job definitions, for properties that hold for any. */

export const actions: ActionChecks = {
  known: new Set(['value']),
  builtin: new Set(['value']),
  checkWith: () => [],
};

/** A definition is often partly stated: each field is there or not. */
function someOf<T extends JsonObject>(
  fields: { [Key in keyof T]: fc.Arbitrary<T[Key]> },
): fc.Arbitrary<JsonObject> {
  return fc.record(fields, { requiredKeys: [] }) as unknown as fc.Arbitrary<JsonObject>;
}

const duration = fc.oneof(
  fc.constantFrom<Json[]>('30s', '5m', '1h30m', '250ms', '1d2h', '90s', '15'),
  fc.integer({ min: 1, max: 100_000 }),
);
const retry = someOf({
  max_attempts: fc.integer({ min: 1, max: 100 }),
  max_losses: fc.integer({ min: 0, max: 100 }),
  backoff: fc.constantFrom(...BACKOFFS),
  delay: fc.oneof(duration, fc.constant(0)),
  max_delay: fc.constantFrom('2d', '0s', '10s'),
  jitter: fc.boolean(),
});

function few(names: string[], most: number): fc.Arbitrary<string[]> {
  return fc.subarray(names, { maxLength: Math.min(most, names.length) });
}

function steps(size: number): fc.Arbitrary<JsonObject[]> {
  const names = Array.from({ length: size }, (_, index) => `s_${index}`);
  const each = names.map((name, index) => {
    // Mostly backwards, now and then in any direction: some of these graphs have cycles.
    const above = few(names.slice(0, index), 3);
    const anywhere = few(names, 1);
    const reads = fc.constantFrom(...names).map((read) => ({ x: `\${{ steps.${read}.output }}` }));
    return someOf({
      needs: fc.oneof({ weight: 9, arbitrary: above }, { weight: 1, arbitrary: anywhere }),
      enables: few(names.slice(index + 1), 2),
      if: fc.constantFrom<Json[]>('input.x > 1', 'failure()', true, '${{ size(needs) > 0 }}'),
      with: fc.oneof(
        { weight: 5, arbitrary: fc.jsonValue() as fc.Arbitrary<Json> },
        { weight: 1, arbitrary: reads },
      ),
      queue: fc.constantFrom('default', 'slow'),
      timeout: duration,
      retry,
      continue_on_error: fc.boolean(),
    }).map((fields): JsonObject => ({ name, uses: index % 3 === 0 ? 'resize' : 'value', ...fields }));
  });
  return fc.tuple(...each);
}

const head = someOf({
  input: fc.jsonValue() as fc.Arbitrary<Json>,
  labels: fc.dictionary(fc.stringMatching(/^[a-z/~]{1,9}$/), fc.string({ maxLength: 20 })),
  queue: fc.constantFrom('default', 'slow'),
  priority: fc.integer({ min: -100, max: 100 }),
  timeout: duration,
  max_parallel: fc.integer({ min: 1, max: 10_000 }),
  fail_fast: fc.boolean(),
  defaults: someOf({ timeout: duration, retry }),
  output: fc.constantFrom<Json[]>(null, { last: '${{ steps.s_0.output }}' }, 'done'),
});
const when = fc.oneof(
  fc.constant({}),
  fc.record({ delay: duration }),
  fc.record({ run_at: fc.constantFrom('2026-11-21T02:00:00Z', '2030-01-01T00:00:00.25-08:00') }),
);
/** A definition with `steps`; some are refused. */
export const longForm = fc
  .tuple(head, when, fc.integer({ min: 1, max: 8 }).chain(steps))
  .map(([fields, time, list]): JsonObject => ({ name: 'j', ...fields, ...time, steps: list }));
const shortForm = fc
  .tuple(
    head,
    when,
    someOf({ with: fc.jsonValue() as fc.Arbitrary<Json>, if: fc.constant('always()'), retry }),
  )
  .map(
    ([{ output: _, ...fields }, time, own]): JsonObject => ({
      name: 'j',
      ...fields,
      ...time,
      uses: 'value',
      ...own,
    }),
  );
/** Any definition, in its long or its short form; some are refused. */
export const definition = fc.oneof({ weight: 5, arbitrary: longForm }, { weight: 1, arbitrary: shortForm });
