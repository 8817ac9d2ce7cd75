import { describe, expect, it } from 'vitest';
import type { ActionChecks } from '../../src/domain/job-definition/actions.ts';
import { normaliseJob } from '../../src/domain/job-definition/normalise.ts';
import type { Json, JsonObject } from '../../src/domain/json.ts';

const actions: ActionChecks = {
  known: new Set(['value', 'shell']),
  builtin: new Set(['value', 'shell', 'wait']),
  checkWith: (uses, template, pointer) =>
    uses === 'shell' && !JSON.stringify(template).includes('"run"')
      ? [{ pointer, code: 'missing_field', detail: '`run` is missing' }]
      : [],
};

const a = { name: 'a', uses: 'value' };
const job = (fields: JsonObject): JsonObject => ({ name: 'j', uses: 'value', ...fields });
const graph = (...steps: Json[]): JsonObject => ({ name: 'j', steps });
const step = (fields: JsonObject) => graph({ ...a, ...fields });
const retry = (fields: JsonObject) => step({ retry: fields });
const many = (count: number, fields: (index: number) => JsonObject = () => ({})) =>
  graph(
    ...Array.from({ length: count }, (_, index) => ({ name: `s${index}`, uses: 'value', ...fields(index) })),
  );

type Refusal = [body: Json, pointer: string, code: string, detail: string | RegExp];

function problemsOf(body: Json) {
  const result = normaliseJob(body, actions);
  return result.ok ? [] : result.problems;
}

function itRefuses(refusals: Refusal[]): void {
  it.each(refusals.map(([body, ...rest]) => [JSON.stringify(body).slice(0, 90), body, ...rest] as const))(
    '%s',
    (_, body, pointer, code, detail) => {
      const problems = problemsOf(body);
      expect(problems).toEqual([
        { pointer, code, detail: typeof detail === 'string' ? detail : expect.stringMatching(detail) },
      ]);
    },
  );
}

describe('normaliseJob refuses what is no job', () => {
  itRefuses([
    [[], '', 'invalid_value', 'a job must be a JSON object; it is a list'],
    [null, '', 'invalid_value', /^a job must be a JSON object; it is null/],
    ['x', '', 'invalid_value', 'a job must be a JSON object; it is "x"'],
    [{ uses: 'value' }, '', 'missing_field', '`name` is missing: every job has one, to find it by'],
    [{ name: 'j' }, '/steps', 'no_steps', 'give the job `steps`, or `uses` for a job of one step'],
    [graph(), '/steps', 'no_steps', 'a job has at least one step'],
    [
      { name: 'j', steps: { a } },
      '/steps',
      'invalid_value',
      '`steps` must be a list of steps; it is an object',
    ],
    [graph(a, 'b'), '/steps/1', 'invalid_value', 'a step must be an object; it is "b"'],
    [many(10_001), '/steps', 'too_many_steps', '10001 steps; a job has at most 10000'],
  ]);
});

describe('normaliseJob refuses values of the job', () => {
  itRefuses([
    [job({ name: '' }), '/name', 'invalid_value', '`name` must be a text of 1 to 200 characters; it is ""'],
    [job({ name: ' \n' }), '/name', 'invalid_value', /1 to 200 characters/],
    [job({ name: 'é'.repeat(201) }), '/name', 'invalid_value', /1 to 200 characters; it is "é{59}…$/],
    [job({ name: 7 }), '/name', 'invalid_value', /it is 7$/],
    [job({ name: null }), '/name', 'invalid_value', /it is null; leave the field out instead$/],
    [
      job({ priority: 101 }),
      '/priority',
      'invalid_value',
      '`priority` must be a whole number from -100 to 100; it is 101',
    ],
    [job({ priority: -101 }), '/priority', 'invalid_value', /it is -101$/],
    [job({ priority: 1.5 }), '/priority', 'invalid_value', /it is 1.5$/],
    [job({ priority: '5' }), '/priority', 'invalid_value', /it is "5"$/],
    [
      job({ queue: 'a b' }),
      '/queue',
      'invalid_value',
      '`queue` must be a name of letters, digits and `. _ / -`, at most 100 characters; it is "a b"',
    ],
    [
      job({ labels: ['x'] }),
      '/labels',
      'invalid_value',
      /^`labels` must be an object of texts, .* it is a list$/,
    ],
    [job({ labels: { n: 5 } }), '/labels/n', 'invalid_value', 'a label must be a text; it is 5'],
    [job({ labels: { 'a:b': 'x' } }), '/labels/a:b', 'invalid_value', /has no `:`/],
    [
      job({ labels: { '': 'x' } }),
      '/labels/',
      'invalid_value',
      'the name of a label has 1 to 200 characters',
    ],
    [
      job({ labels: { 'a/b~c': 'x'.repeat(201) } }),
      '/labels/a~1b~0c',
      'invalid_value',
      'a label has at most 200 characters; this one has 201',
    ],
    [
      job({ labels: Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`l${index}`, ''])) }),
      '/labels',
      'too_many_labels',
      '33 labels; a job has at most 32',
    ],
    [
      job({ max_parallel: 0 }),
      '/max_parallel',
      'invalid_value',
      '`max_parallel` must be a whole number from 1 to 10000; it is 0',
    ],
    [
      job({ fail_fast: 'yes' }),
      '/fail_fast',
      'invalid_value',
      '`fail_fast` must be true or false; it is "yes"',
    ],
    [
      job({ defaults: 5 }),
      '/defaults',
      'invalid_value',
      '`defaults` must be an object such as {"timeout": "5m"}; it is 5',
    ],
    [
      job({ input: 'x'.repeat(262_143) }),
      '/input',
      'too_large',
      '`input` is 262145 bytes of JSON; the most is 262144',
    ],
    [job({ output: 'x'.repeat(262_143) }), '/output', 'too_large', /^`output` is 262145 bytes/],
    [job({ with: 'é'.repeat(131_072) }), '/with', 'too_large', /^`with` is 262146 bytes/],
  ]);
});

describe('normaliseJob refuses times', () => {
  const bad = /is not a duration; write "30s", "5m", "1h30m" or whole seconds$/;
  itRefuses([
    [job({ timeout: 'soon' }), '/timeout', 'invalid_duration', /^`timeout`: "soon" is not a duration; write/],
    [job({ timeout: 0 }), '/timeout', 'invalid_duration', '`timeout`: 0 must be longer than zero'],
    [
      job({ timeout: '366d' }),
      '/timeout',
      'invalid_duration',
      '`timeout`: "366d" is too long; the most is 365d',
    ],
    [
      job({ timeout: true }),
      '/timeout',
      'invalid_duration',
      '`timeout` must be a duration such as "30s", "5m" or "1h30m", or whole seconds; it is true',
    ],
    [job({ delay: '31d' }), '/delay', 'invalid_duration', '`delay`: "31d" is too long; the most is 30d'],
    [job({ delay: -1 }), '/delay', 'invalid_duration', '`delay`: -1 must not be negative'],
    [job({ defaults: { timeout: '1 h' } }), '/defaults/timeout', 'invalid_duration', bad],
    [step({ timeout: 1.5 }), '/steps/0/timeout', 'invalid_duration', bad],
    [step({ timeout: '31d' }), '/steps/0/timeout', 'invalid_duration', /the most is 30d$/],
    [step({ timeout: '0s' }), '/steps/0/timeout', 'invalid_duration', /must be longer than zero$/],
    [
      job({ delay: '1m', run_at: '2026-11-21T02:00:00Z' }),
      '/delay',
      'conflicting_fields',
      'a job has `run_at` or `delay`, not both',
    ],
    [
      job({ run_at: '2026-11-21T02:00:00' }),
      '/run_at',
      'invalid_time',
      /, and this one has no offset from UTC; it is "2026-11-21T02:00:00"$/,
    ],
    [
      job({ run_at: '2026-11-21' }),
      '/run_at',
      'invalid_time',
      '`run_at` must be an instant such as "2026-11-21T02:00:00Z" or "2026-11-21T02:00:00+01:00"; it is "2026-11-21"',
    ],
    [job({ run_at: '2026-02-30T02:00:00Z' }), '/run_at', 'invalid_time', /must be an instant/],
    [job({ run_at: '2026-13-01T02:00:00Z' }), '/run_at', 'invalid_time', /must be an instant/],
    [job({ run_at: '2026-11-21T24:00:00Z' }), '/run_at', 'invalid_time', /must be an instant/],
    [job({ run_at: '2026-11-21T02:00:00+25:00' }), '/run_at', 'invalid_time', /must be an instant/],
    [job({ run_at: '9001-01-01T00:00:00Z' }), '/run_at', 'invalid_time', /must be an instant/],
    [job({ run_at: '1969-12-31T23:00:00Z' }), '/run_at', 'invalid_time', /must be an instant/],
    [job({ run_at: 1_795_226_400 }), '/run_at', 'invalid_time', /it is 1795226400$/],
  ]);
});

describe('normaliseJob refuses values of a step', () => {
  const nameRule =
    '`name` must be letters, digits, `_` and `-`, not `-` first, at most 63 characters; it is ';
  itRefuses([
    [
      graph({ uses: 'value' }),
      '/steps/0',
      'missing_field',
      '`name` is missing: every step has one, unique within the job',
    ],
    [
      graph({ name: 'a' }),
      '/steps/0',
      'missing_field',
      '`uses` is missing: it names the action, such as "shell"',
    ],
    [job({ uses: undefined as never, with: {} }), '', 'missing_field', /^`uses` is missing/],
    [step({ name: '-a' }), '/steps/0/name', 'invalid_value', `${nameRule}"-a"`],
    [step({ name: 'a b' }), '/steps/0/name', 'invalid_value', `${nameRule}"a b"`],
    [step({ name: 'a\n' }), '/steps/0/name', 'invalid_value', `${nameRule}"a\\n"`],
    [step({ name: 'x'.repeat(64) }), '/steps/0/name', 'invalid_value', /…$/],
    [step({ name: 5 }), '/steps/0/name', 'invalid_value', `${nameRule}5`],
    [
      step({ uses: 'Shell' }),
      '/steps/0/uses',
      'invalid_value',
      '`uses` must be the name of an action, such as "shell": a-z, 0-9 and `. _ / -`, at most 100 characters; it is "Shell"',
    ],
    [step({ uses: ['shell'] }), '/steps/0/uses', 'invalid_value', /it is a list$/],
    [step({ queue: 'x'.repeat(101) }), '/steps/0/queue', 'invalid_value', /at most 100 characters/],
    [step({ if: 5 }), '/steps/0/if', 'invalid_value', '`if` must be an expression; it is 5'],
    [
      step({ continue_on_error: 1 }),
      '/steps/0/continue_on_error',
      'invalid_value',
      '`continue_on_error` must be true or false; it is 1',
    ],
    [
      step({ needs: 'b' }),
      '/steps/0/needs',
      'invalid_value',
      '`needs` must be a list of step names; write ["b"]',
    ],
    [
      step({ enables: {} }),
      '/steps/0/enables',
      'invalid_value',
      '`enables` must be a list of step names; write ["extract"]',
    ],
    [
      graph({ ...a, needs: ['b', 3] }, { name: 'b', uses: 'value' }),
      '/steps/0/needs/1',
      'invalid_value',
      '`needs` must hold names of steps; it is 3',
    ],
    [step({ uses: 'shell', with: { rum: 'x' } }), '/steps/0/with', 'missing_field', '`run` is missing'],
    [step({ uses: 'shell' }), '/steps/0/with', 'missing_field', '`run` is missing'],
    [job({ uses: 'shell' }), '/with', 'missing_field', '`run` is missing'],
  ]);
});

describe('normaliseJob refuses values of `retry`', () => {
  itRefuses([
    [
      step({ retry: 3 }),
      '/steps/0/retry',
      'invalid_value',
      '`retry` must be an object such as {"max_attempts": 3}; it is 3',
    ],
    [
      retry({ max_attempts: 0 }),
      '/steps/0/retry/max_attempts',
      'invalid_value',
      '`max_attempts` must be a whole number from 1 to 100; it is 0',
    ],
    [retry({ max_attempts: 101 }), '/steps/0/retry/max_attempts', 'invalid_value', /it is 101$/],
    [retry({ max_losses: -1 }), '/steps/0/retry/max_losses', 'invalid_value', /from 0 to 100; it is -1$/],
    [
      retry({ backoff: 'quadratic' }),
      '/steps/0/retry/backoff',
      'invalid_value',
      '`backoff` must be "exponential", "fixed" or "linear"; it is "quadratic"',
    ],
    [retry({ delay: '31d' }), '/steps/0/retry/delay', 'invalid_duration', /the most is 30d$/],
    [retry({ max_delay: 'x' }), '/steps/0/retry/max_delay', 'invalid_duration', /is not a duration/],
    [
      retry({ delay: '10s', max_delay: '5s' }),
      '/steps/0/retry/max_delay',
      'invalid_value',
      '`max_delay` must not be shorter than `delay`, 10s',
    ],
    [
      retry({ jitter: 'full' }),
      '/steps/0/retry/jitter',
      'invalid_value',
      '`jitter` must be true or false; it is "full"',
    ],
    [job({ defaults: { retry: { jitter: 1 } } }), '/defaults/retry/jitter', 'invalid_value', /it is 1$/],
    [job({ retry: { max_attempts: 'x' } }), '/retry/max_attempts', 'invalid_value', /it is "x"$/],
  ]);
});

describe('normaliseJob refuses unknown fields and says what was meant', () => {
  const meant = (
    place: (fields: JsonObject) => JsonObject,
    pointer: string,
    spellings: Record<string, string>,
  ): Refusal[] =>
    Object.entries(spellings).map(([key, ours]) => [
      place({ [key]: 'x' }),
      `${pointer}/${key}`,
      'unknown_field',
      `\`${key}\` is not a field; did you mean \`${ours}\`?`,
    ]);
  const depends = {
    depends_on: 'needs',
    dependsOn: 'needs',
    'depends-on': 'needs',
    parents: 'needs',
    after: 'needs',
  };
  itRefuses([
    ...meant(step, '/steps/0', {
      ...depends,
      handler: 'uses',
      type: 'uses',
      action: 'uses',
      params: 'with',
      args: 'with',
    }),
    ...meant(step, '/steps/0', {
      when: 'if',
      condition: 'if',
      timeout_seconds: 'timeout',
      id: 'name',
      allow_failure: 'continue_on_error',
    }),
    ...meant(step, '/steps/0', {
      need: 'needs',
      continueOnError: 'continue_on_error',
      TIMEOUT: 'timeout',
      dependents: 'enables',
    }),
    ...meant(job, '', {
      params: 'input',
      tags: 'labels',
      concurrency: 'max_parallel',
      tasks: 'steps',
      runAt: 'run_at',
      type: 'uses',
    }),
    ...meant(job, '', {
      scheduled_at: 'run_at',
      max_paralel: 'max_parallel',
      failFast: 'fail_fast',
      outputs: 'output',
    }),
    ...meant(retry, '/steps/0/retry', {
      attempts: 'max_attempts',
      initial_delay: 'delay',
      max_interval: 'max_delay',
      type: 'backoff',
    }),
    ...meant((fields) => job({ defaults: fields }), '/defaults', {
      timeout_seconds: 'timeout',
      retry_policy: 'retry',
    }),
  ]);
});

describe('normaliseJob explains fields of others that have no counterpart', () => {
  const retries =
    'is not a field; write `retry: {"max_attempts": 3}`, which counts executions, the first included';
  itRefuses([
    [step({ retries: 3 }), '/steps/0/retries', 'unknown_field', `\`retries\` ${retries}`],
    [step({ max_retries: 3 }), '/steps/0/max_retries', 'unknown_field', `\`max_retries\` ${retries}`],
    [step({ max_attempts: 3 }), '/steps/0/max_attempts', 'unknown_field', `\`max_attempts\` ${retries}`],
    [job({ maxRetries: 3 }), '/maxRetries', 'unknown_field', `\`maxRetries\` ${retries}`],
    [
      retry({ max_retries: 3 }),
      '/steps/0/retry/max_retries',
      'unknown_field',
      /3 retries are `max_attempts: 4`$/,
    ],
    [
      step({ run: 'x' }),
      '/steps/0/run',
      'unknown_field',
      '`run` is not a field; write `uses: "shell"` with `with: {"run": "…"}`',
    ],
    [job({ command: 'x' }), '/command', 'unknown_field', /write `uses: "shell"`/],
    [step({ env: {} }), '/steps/0/env', 'unknown_field', /values go into the `with` of a step/],
    [job({ cron: '* * * * *' }), '/cron', 'unknown_field', /^`cron` is not a field; a job runs once/],
    [job({ needs: ['x'] }), '/needs', 'unknown_field', '`needs` is not a field; it is a field of a step'],
    [
      step({ priority: 5 }),
      '/steps/0/priority',
      'unknown_field',
      '`priority` is not a field; it is a field of the job',
    ],
    [step({ delay: '5s' }), '/steps/0/delay', 'unknown_field', /need a step with `uses: "wait"`$/],
    [
      step({ on_failure: 'x' }),
      '/steps/0/on_failure',
      'unknown_field',
      /add a step with `if: "failure\(\)"`/,
    ],
    [
      job({ idempotencyKey: 'x' }),
      '/idempotencyKey',
      'unknown_field',
      /send it as the header `Idempotency-Key`$/,
    ],
    [
      job({ defaults: { queue: 'x' } }),
      '/defaults/queue',
      'unknown_field',
      /the `queue` of the job holds for all/,
    ],
    [retry({ factor: 2 }), '/steps/0/retry/factor', 'unknown_field', /doubles the delay each time$/],
    [
      retry({ colour: 2 }),
      '/steps/0/retry/colour',
      'unknown_field',
      '`colour` is not a field; `retry` has `max_attempts`, `max_losses`, `backoff`, `delay`, `max_delay`, `jitter`',
    ],
    [
      step({ 'a/b': 2 }),
      '/steps/0/a~1b',
      'unknown_field',
      /^`a\/b` is not a field; a step has `name`, `needs`/,
    ],
    [job({ constructor: 2 }), '/constructor', 'unknown_field', /^`constructor` is not a field; a job has/],
    [
      JSON.parse('{"name": "j", "uses": "value", "__proto__": {"name": 5}}'),
      '/__proto__',
      'unknown_field',
      /is not a field/,
    ],
    [job({ ['x'.repeat(500)]: 2 }), `/${'x'.repeat(500)}`, 'unknown_field', /^`x{60}…` is not a field/],
    [
      { ...graph(a), uses: 'value' },
      '/uses',
      'conflicting_fields',
      '`uses` is for a job without `steps`; put it into a step',
    ],
    [
      { ...graph(a), retry: {} },
      '/retry',
      'conflicting_fields',
      '`retry` is for a job without `steps`; put it into `defaults`',
    ],
  ]);
});

describe('normaliseJob refuses graphs that cannot run', () => {
  const b = { name: 'b', uses: 'value' };
  itRefuses([
    [
      graph(a, b, { ...a }),
      '/steps/2/name',
      'duplicate_name',
      'step 0 is called `a` already; names are unique within the job',
    ],
    [
      graph({ ...a, name: 'extract' }, { ...b, needs: ['extrct'] }),
      '/steps/1/needs/0',
      'unknown_need',
      'no step is called `extrct`; did you mean `extract`?',
    ],
    [graph(a, { ...b, enables: ['zzz'] }), '/steps/1/enables/0', 'unknown_need', 'no step is called `zzz`'],
    [step({ needs: ['a'] }), '/steps/0/needs/0', 'self_need', '`a` cannot need itself'],
    [step({ enables: ['a'] }), '/steps/0/enables/0', 'self_need', '`a` cannot enable itself'],
    [
      graph(a, { ...b, needs: ['a', 'a'] }),
      '/steps/1/needs/1',
      'duplicate_need',
      '`a` is in `needs` twice; was another step meant?',
    ],
    [
      graph({ ...a, enables: ['b', 'b'] }, b),
      '/steps/0/enables/1',
      'duplicate_need',
      '`b` is in `enables` twice; was another step meant?',
    ],
    [
      graph({ ...a, needs: ['c'] }, { ...b, needs: ['a'] }, { name: 'c', uses: 'value', needs: ['b'] }),
      '/steps/0/needs',
      'cycle',
      'the steps need each other in a circle: a → c → b → a',
    ],
    [
      graph({ ...a, enables: ['b'] }, { ...b, enables: ['a'] }),
      '/steps/0',
      'cycle',
      'the steps need each other in a circle: a → b → a',
    ],
    [
      many(1001, (index) => ({
        needs: Array.from({ length: index === 1000 ? 1000 : 100 }, (_, need) => `s${need}`),
      })),
      '/steps',
      'too_many_needs',
      '101000 needs; a job has at most 100000',
    ],
  ]);
});

describe('a step without a lawful name', () => {
  it('is told by its place in a cycle', () => {
    const body = graph({ name: 'a b', uses: 'value', needs: ['a'], enables: ['a'] }, a);
    expect(problemsOf(body)).toMatchObject([
      { pointer: '/steps/0/name', code: 'invalid_value' },
      {
        pointer: '/steps/0/needs',
        code: 'cycle',
        detail: expect.stringMatching(/circle: step 0 → a → step 0$/),
      },
    ]);
  });
});

describe('normaliseJob refuses expressions', () => {
  const b = { name: 'b', uses: 'value' };
  itRefuses([
    [step({ if: 'input.x >' }), '/steps/0/if', 'expression_invalid', /input\.x >/],
    [step({ if: '' }), '/steps/0/if', 'expression_invalid', /nothing in it/],
    [job({ if: 'input.x >' }), '/if', 'expression_invalid', /input\.x >/],
    [step({ with: { x: ['${{ 1 + }}'] } }), '/steps/0/with/x/0', 'expression_invalid', /1 \+/],
    [
      step({ with: { x: `\${{ "${'x'.repeat(4096)}" }}` } }),
      '/steps/0/with/x',
      'expression_too_large',
      /4096/,
    ],
    [step({ with: '${{ steps.z.output }}' }), '/steps/0/with', 'unknown_step', /no step `z`/],
    [
      step({ with: '${{ steps.a.output }}' }),
      '/steps/0/with',
      'not_an_ancestor',
      /`a` is not above this one/,
    ],
    [
      graph(a, { ...b, with: { x: '${{ steps.a.output }}' } }),
      '/steps/1/with/x',
      'not_an_ancestor',
      /add it to `needs`/,
    ],
    [
      graph({ ...a, if: 'steps.b.status == "failed"' }, { ...b, needs: ['a'] }),
      '/steps/0/if',
      'not_an_ancestor',
      /`b`/,
    ],
    [{ ...graph(a), output: '${{ steps.z.output }}' }, '/output', 'unknown_step', /no step `z`/],
    [
      { ...graph(a), output: { n: '${{ size(needs) }}' } },
      '/output',
      'expression_invalid',
      /`needs` are those of a step/,
    ],
  ]);

  it('does not blame a read for the misspelt need above it', () => {
    const body = graph(
      { ...a, name: 'extract' },
      { ...b, needs: ['extrct'], with: '${{ steps.extract.output }}' },
    );
    expect(problemsOf(body).map(({ code }) => code)).toEqual(['unknown_need']);
  });

  it('says each thing once where a step has several', () => {
    const both = { ...a, if: '1 +', with: '${{ steps.b.output }}' };
    expect(problemsOf(graph(both, b)).map(({ pointer, code }) => `${pointer} ${code}`)).toEqual([
      '/steps/0/if expression_invalid',
      '/steps/0/with not_an_ancestor',
    ]);
  });

  it('names every step that is read without being above, and none that is', () => {
    const body = graph(
      a,
      { ...b, needs: ['a'] },
      {
        name: 'c',
        uses: 'value',
        needs: ['b'],
        with: ['${{ steps.a.output }}', '${{ steps.d.output }}', '${{ steps.e.output }}'],
      },
      { name: 'd', uses: 'value' },
      { name: 'e', uses: 'value', if: 'steps.d.status == "x"' },
    );
    expect(problemsOf(body).map(({ pointer, code }) => [pointer, code])).toEqual([
      ['/steps/2/with/1', 'not_an_ancestor'],
      ['/steps/2/with/2', 'not_an_ancestor'],
      ['/steps/4/if', 'not_an_ancestor'],
    ]);
  });
});

describe('normaliseJob refuses what cannot be stored', () => {
  let deep: Json = 'x';
  for (let level = 0; level < 64; level++) deep = [deep];
  itRefuses([
    [job({ with: { x: 'a\0' } }), '/with/x', 'not_storable', 'the text holds U+0000, which cannot be stored'],
    [
      job({ labels: { 'a\ud800': 'x' } }),
      '/labels/a\ud800',
      'not_storable',
      'the key holds half of a surrogate pair, which cannot be stored',
    ],
    [
      job({ input: Number.POSITIVE_INFINITY }),
      '/input',
      'number_out_of_range',
      /outside the range of a double/,
    ],
    [job({ input: deep }), `/input${'/0'.repeat(63)}`, 'too_deep', 'nested deeper than 64 levels'],
  ]);
});

describe('normaliseJob with many things wrong', () => {
  it('names all of them at once, each with its place', () => {
    const body = {
      ...graph(
        { name: 'a b', uses: 'value', retry: { tries: 3 } },
        { name: 'b', needs: ['c'] },
        { ...a, needs: ['a'] },
      ),
      timeout: '-1s',
      depends_on: [],
    };
    expect(problemsOf(body).map(({ pointer, code }) => `${pointer} ${code}`)).toEqual([
      '/depends_on unknown_field',
      '/timeout invalid_duration',
      '/steps/0/name invalid_value',
      '/steps/0/retry/tries unknown_field',
      '/steps/1 missing_field',
      '/steps/1/needs/0 unknown_need',
      '/steps/2/needs/0 self_need',
    ]);
  });

  it('stops at 100', () => {
    expect(problemsOf(many(200, () => ({ depends_on: [] })))).toHaveLength(100);
    expect(problemsOf(many(200, () => ({ uses: 'shell' })))).toHaveLength(100);
    expect(
      problemsOf(many(200, (index) => ({ if: `steps.s${(index + 1) % 200}.status == "x"` }))),
    ).toHaveLength(100);
  });

  it('does not guess for ever when 300,000 fields are unknown', () => {
    const body = Object.fromEntries(
      Array.from({ length: 300_000 }, (_, index) => [`depends_on_number_${index}`, 1]),
    );
    const before = performance.now();
    expect(problemsOf(body)).toHaveLength(100);
    expect(performance.now() - before).toBeLessThan(1700);
  });

  it('does not guess for ever when 100,000 names are unknown', () => {
    const body = many(10_000, (index) => ({
      needs: Array.from({ length: 10 }, (_, need) => `t${index}${need}`),
    }));
    const before = performance.now();
    expect(problemsOf(body)).toHaveLength(100);
    expect(performance.now() - before).toBeLessThan(2000);
  });
});
