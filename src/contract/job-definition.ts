import { Type } from 'typebox';
import { formatDuration } from '../domain/duration.ts';
import { DEFAULTS, LIMITS, NAMES } from '../domain/limits.ts';
import { EXAMPLE_DEFINITION, EXAMPLE_SHORT_DEFINITION } from './example-definition.ts';
import { AnyJson, Dictionary, Duration, Named, OneOf } from './scalars.ts';

/**
 * What a client submits. The document shows this; the body itself is checked by `domain/job-definition/`, which says
 * more than a schema can: what was meant, where the cycle is. A test holds the two together.
 */

function Default(fallback: unknown): string {
  return `Default ${JSON.stringify(fallback)}.`;
}

const shared = {
  queue: (description: string) =>
    Type.String({ pattern: NAMES.queue.source, description, examples: ['default'] }),
  uses: Type.String({
    pattern: NAMES.action.source,
    description:
      'The action: one of this server, such as `shell`, `value` or `wait`, or a name that a remote worker offers.',
    examples: ['shell'],
  }),
  with: AnyJson(
    `What the action is given; each action says what it takes. May hold \`\${{ expression }}\`; at most ${LIMITS.valueBytes} bytes.`,
  ),
  if: Type.Unsafe<string | boolean>({
    type: ['string', 'boolean'],
    description:
      'An expression; false skips the step. Without `success()`, `failure()` or `always()` in it the needs must have succeeded.',
    examples: ['size(steps.extract.output.rows) > 0', 'failure()'],
  }),
  continue_on_error: Type.Boolean({
    description: `True: when the step fails, its dependents and the job take it for succeeded. ${Default(false)}`,
  }),
};

export const RetryDefinition = Type.Object(
  {
    max_attempts: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: LIMITS.maxAttempts,
        description: `Executions that may fail before the step does, the first included. ${Default(DEFAULTS.maxAttempts)}`,
        examples: [3],
      }),
    ),
    max_losses: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: LIMITS.maxLosses,
        description: `Lost workers in a row that are forgiven. ${Default(DEFAULTS.maxLosses)}`,
      }),
    ),
    backoff: Type.Optional(
      OneOf(
        ['exponential', 'fixed', 'linear'],
        `How the delay grows: doubling, not at all, by \`delay\` each time. ${Default(DEFAULTS.backoff)}`,
      ),
    ),
    delay: Type.Optional(
      Duration(`The first delay. ${Default(formatDuration(DEFAULTS.retryDelay))}`, ['2s'], 0),
    ),
    max_delay: Type.Optional(
      Duration(`The longest delay. ${Default(formatDuration(DEFAULTS.retryMaxDelay))}`, ['1m'], 0),
    ),
    jitter: Type.Optional(
      Type.Boolean({
        description: `True: each delay is drawn from its upper half, so that retries spread. ${Default(true)}`,
      }),
    ),
  },
  {
    $id: 'RetryDefinition',
    additionalProperties: false,
    description: 'What happens after a failed attempt.',
    examples: [{ max_attempts: 5, backoff: 'exponential', delay: '2s', max_delay: '1m', jitter: true }],
  },
);

const names = (description: string) =>
  Type.Array(Type.String({ pattern: NAMES.step.source }), {
    uniqueItems: true,
    description,
    examples: [['extract']],
  });

export const StepDefinition = Type.Object(
  {
    name: Type.String({
      pattern: NAMES.step.source,
      description: 'Unique within the job; expressions call the step by it.',
      examples: ['extract'],
    }),
    needs: Type.Optional(names('Steps that must end before this one may start.')),
    enables: Type.Optional(names('The same from the other side: steps that need this one.')),
    if: Type.Optional(shared.if),
    uses: shared.uses,
    with: Type.Optional(shared.with),
    queue: Type.Optional(shared.queue('The lane it waits in. Default: that of the job.')),
    timeout: Type.Optional(
      Duration(`Of one attempt. ${Default(formatDuration(DEFAULTS.stepTimeout))}`, ['30s']),
    ),
    retry: Type.Optional(Named(RetryDefinition)),
    continue_on_error: Type.Optional(shared.continue_on_error),
  },
  {
    $id: 'StepDefinition',
    additionalProperties: false,
    examples: [
      { name: 'load', needs: ['extract'], uses: 'shell', with: { run: 'echo loaded' }, timeout: '30s' },
    ],
  },
);

const DefaultsDefinition = Type.Object(
  {
    timeout: Type.Optional(Duration('Of one attempt.', ['5m'])),
    retry: Type.Optional(Named(RetryDefinition)),
  },
  { additionalProperties: false, description: 'What holds for steps that say nothing else.' },
);

const jobFields = {
  name: Type.String({
    minLength: 1,
    maxLength: LIMITS.jobNameLength,
    pattern: '\\S',
    description: 'To find the job by; need not be unique.',
    examples: ['nightly-report'],
  }),
  input: Type.Optional(AnyJson(`What expressions read as \`input\`; at most ${LIMITS.valueBytes} bytes.`)),
  labels: Type.Optional(
    Type.Unsafe<Record<string, string>>({
      ...Dictionary(Type.String({ maxLength: LIMITS.labelLength }), 'To find jobs by: `?label=team:data`.'),
      propertyNames: { minLength: 1, maxLength: LIMITS.labelLength, pattern: '^[^:]*$' },
      maxProperties: LIMITS.labelsPerJob,
      examples: [{ team: 'data' }],
    }),
  ),
  queue: Type.Optional(shared.queue(`The lane for steps that name none. ${Default(DEFAULTS.queue)}`)),
  priority: Type.Optional(
    Type.Integer({
      minimum: -LIMITS.priority,
      maximum: LIMITS.priority,
      description: `Higher goes first. ${Default(DEFAULTS.priority)}`,
    }),
  ),
  run_at: Type.Optional(
    Type.String({
      format: 'date-time',
      description: 'Not before this instant: RFC 3339 with an offset. Not together with `delay`.',
      examples: ['2026-11-21T02:00:00Z'],
    }),
  ),
  delay: Type.Optional(
    Duration('Not before this much time has passed. Not together with `run_at`.', ['10m'], 0),
  ),
  timeout: Type.Optional(
    Duration(`Of the whole job, from submit or \`run_at\`. ${Default(formatDuration(DEFAULTS.jobTimeout))}`, [
      '2h',
    ]),
  ),
  max_parallel: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: LIMITS.stepsPerJob,
      description: 'How many of its steps may run at once. Default: no limit.',
      examples: [4],
    }),
  ),
  fail_fast: Type.Optional(
    Type.Boolean({ description: `True: the first failed step ends the job. ${Default(false)}` }),
  ),
  defaults: Type.Optional(DefaultsDefinition),
  steps: Type.Optional(
    Type.Array(Named(StepDefinition), {
      minItems: 1,
      maxItems: LIMITS.stepsPerJob,
      description:
        'The graph, in any order. Left out, the job is one step called `main`, described by the fields below.',
    }),
  ),
  output: Type.Optional(AnyJson('What the job gives once it succeeded, from `steps.<name>.output`.')),
  uses: Type.Optional(shared.uses),
  with: Type.Optional(shared.with),
  if: Type.Optional(shared.if),
  retry: Type.Optional(Named(RetryDefinition)),
  continue_on_error: Type.Optional(shared.continue_on_error),
};

/** A job to be submitted. */
export const JobDefinition = Type.Object(jobFields, {
  $id: 'JobDefinition',
  additionalProperties: false,
  description: 'A graph of steps; or, without `steps`, one step.',
  examples: [EXAMPLE_SHORT_DEFINITION, EXAMPLE_DEFINITION],
});

/** Jobs to be submitted together. */
export const BatchDefinition = Type.Object(
  {
    jobs: Type.Array(Named(JobDefinition), {
      minItems: 1,
      maxItems: LIMITS.jobsPerBatch,
      description: `The jobs; at most ${LIMITS.stepsPerBatch} steps in all of them together.`,
    }),
  },
  {
    $id: 'BatchDefinition',
    additionalProperties: false,
    description: 'Jobs that are stored together: all of them, or none.',
  },
);
