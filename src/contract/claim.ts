import { type Static, Type } from 'typebox';
import { LIMITS, NAMES } from '../domain/limits.ts';
import { AnyJson, Count, Dictionary, Duration, Named, OneOf, Timestamp } from './scalars.ts';

const strict = { additionalProperties: false };

export const EXAMPLE_CLAIM_ID = 'AZqgwHoufD-dGy9vXTwaEAAAAAE_HJpSbQ5LepwvW459akwx';
export const EXAMPLE_WORKER_ID = '3f1c9a52-6d0e-4b7a-9c2f-5b8e7d6a4c31';

export const ClaimId = Type.String({
  description: 'Id of the claim: one opaque string, which fences every write about it.',
  examples: [EXAMPLE_CLAIM_ID],
});

const ActionName = Type.String({
  pattern: NAMES.action.source,
  description: 'Name of an action.',
  examples: ['resize'],
});
const QueueName = Type.String({
  pattern: NAMES.queue.source,
  description: 'Name of a queue.',
  examples: ['default'],
});

export const UsesList = Type.Array(ActionName, {
  minItems: 1,
  maxItems: LIMITS.usesPerWorker,
  uniqueItems: true,
  description: 'The actions that the worker offers, as steps name them in `uses`.',
  examples: [['resize']],
});
export const QueueList = Type.Array(QueueName, {
  minItems: 1,
  maxItems: LIMITS.queuesPerWorker,
  uniqueItems: true,
  description: 'The queues that it takes steps from.',
  examples: [['default']],
});

const Fraction = Type.Number({
  minimum: 0,
  maximum: 1,
  description: 'How much of the step is done, 0 to 1; shown at most about once a second.',
  examples: [0.5],
});
const Ttl = Duration('How long the claim is valid without being extended; 1s to 1h.', ['30s']);

/** What a worker got hold of, with everything that it needs to run the step. */
export const Claim = Type.Object(
  {
    id: ClaimId,
    job_id: Type.String({ format: 'uuid', description: 'Id of the job.' }),
    job_name: Type.String({ description: 'Name of the job.', examples: ['nightly-report'] }),
    step: Type.String({ description: 'Name of the step.', examples: ['thumbnail'] }),
    uses: Type.String({ description: 'The action to run.', examples: ['resize'] }),
    queue: Type.String({ description: 'The queue it came from.', examples: ['default'] }),
    with: AnyJson('What the action is given, its expressions evaluated.'),
    attempt: Count('Number of this attempt, from 1.'),
    max_attempts: Count('How many failures fail the step.'),
    expires_at: Timestamp('When the claim expires unless it is extended, by the clock of the database.'),
    expires_in_ms: Count('The same in milliseconds from the moment of the answer: needs no clock in common.'),
    deadline_in_ms: Count("Milliseconds until the attempt's time is over, extended or not."),
    labels: Dictionary(Type.String(), 'The labels of the job.'),
    traceparent: Type.String({
      description:
        'W3C trace context: the one that the job was submitted with, or one made of the id of the job.',
      examples: ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'],
    }),
  },
  { $id: 'Claim', ...strict },
);
export type ClaimBody = Static<typeof Claim>;

export const COMMANDS = ['run', 'drain', 'stop'] as const;
export const Command = OneOf(
  COMMANDS,
  '`run`: go on. `drain`: claim no more, end what runs, then leave. `stop`: somebody removed the worker; end now.',
  'run',
);

/** What a worker asks for. */
const claimFields = {
  worker_id: Type.String({
    format: 'uuid',
    description: 'Id that `POST /v1/workers` gave.',
    examples: [EXAMPLE_WORKER_ID],
  }),
  request_id: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: LIMITS.claimRequestLength,
      description:
        'Made by the worker, new for each request. Sent again after an answer that got lost, it gives the same ' +
        'claims, as far as they still run.',
      examples: ['4f0b5a0c-1'],
    }),
  ),
  uses: Type.Optional(UsesList),
  queues: Type.Optional(QueueList),
  max: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: LIMITS.claimsPerRequest,
      description: 'How many claims at most; 1 when absent.',
      examples: [1],
    }),
  ),
  ttl: Type.Optional(Ttl),
  wait: Type.Optional(
    Duration('How long to wait for a step to become ready, at most 60s; not at all when absent.', ['20s'], 0),
  ),
};

export const ClaimBodyIn = Type.Object(claimFields, {
  $id: 'ClaimRequest',
  ...strict,
  description: 'What is absent of `uses` and `queues` is as the worker was registered.',
});
export type ClaimRequest = Static<typeof ClaimBodyIn>;

export const ClaimList = Type.Object(
  {
    data: Type.Array(Named(Claim), { description: 'The claims; empty when nothing became ready in time.' }),
    command: Command,
  },
  { $id: 'ClaimList', ...strict },
);
export type ClaimListBody = Static<typeof ClaimList>;

const StepError = Type.Object(
  {
    code: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 100,
        description: 'A stable word for the kind of error; `failed` when absent.',
        examples: ['no_such_image'],
      }),
    ),
    message: Type.String({
      maxLength: LIMITS.errorMessageLength,
      description: 'What happened, for people.',
      examples: ['cat.png is not there'],
    }),
    details: Type.Optional(AnyJson('Anything more, for programs.')),
  },
  { ...strict, description: 'Why the attempt failed.' },
);

const retryable = Type.Optional(
  Type.Boolean({
    description: 'False: another attempt would not help, the step fails at once. True when absent.',
    examples: [true],
  }),
);
const retryAfter = Type.Optional(Duration('At least so long until the next attempt.', ['10s'], 0));
const output = Type.Optional(AnyJson('What the step gives to those that need it; null when absent.'));
const delay = Type.Optional(Duration('At least so long until anybody gets the step again.', ['5s'], 0));

export const ExtendBody = Type.Object(
  { ttl: Type.Optional(Ttl), progress: Type.Optional(Fraction) },
  { $id: 'ExtendClaim', ...strict, description: 'Nothing, `{}`, or what is to be changed.' },
);
export const CompleteBody = Type.Object({ output }, { $id: 'CompleteClaim', ...strict });
export const FailBody = Type.Object(
  { error: StepError, retryable, retry_after: retryAfter },
  { $id: 'FailClaim', ...strict },
);
export const ReleaseBody = Type.Object({ delay }, { $id: 'ReleaseClaim', ...strict });

export const CLAIM_ACTIONS = ['continue', 'cancel', 'lost'] as const;
export const ExtendedClaim = Type.Object(
  {
    id: ClaimId,
    action: OneOf(
      CLAIM_ACTIONS,
      '`continue`: it is yours. `cancel`: the job was cancelled; stop. `lost`: somebody else may have it; stop.',
      'continue',
    ),
    expires_in_ms: Count('Milliseconds until the claim expires; 0 unless `continue`.'),
  },
  { $id: 'ExtendedClaim', ...strict },
);
export type ExtendedClaimBody = Static<typeof ExtendedClaim>;

export const CLAIM_OUTCOMES = ['succeeded', 'failed', 'retrying', 'released'] as const;
const outcome = OneOf(
  CLAIM_OUTCOMES,
  '`retrying`: the attempt failed, and the step gets another. `released`: it was given back, uncharged.',
  'succeeded',
);
const retryIn = Type.Optional(Count('Milliseconds until the step may be taken again; absent when at once.'));

export const SettledClaim = Type.Object(
  { id: ClaimId, outcome, retry_in_ms: retryIn },
  { $id: 'SettledClaim', ...strict },
);
export type SettledClaimBody = Static<typeof SettledClaim>;

export const AppendedLog = Type.Object(
  { next_offset: Count('Where the next bytes belong.') },
  { $id: 'AppendedLog', ...strict },
);

export const ExtendBatchBody = Type.Object(
  {
    claims: Type.Array(
      Type.Object({ id: ClaimId, ttl: Type.Optional(Ttl), progress: Type.Optional(Fraction) }, strict),
      { maxItems: LIMITS.claimsPerRequest, description: 'The claims to extend, and only those.' },
    ),
  },
  { $id: 'ExtendClaims', ...strict },
);
export const ExtendedClaimList = Type.Object(
  { data: Type.Array(Named(ExtendedClaim), { description: 'In the order of the request.' }) },
  { $id: 'ExtendedClaimList', ...strict },
);

export const SettleBatchBody = Type.Object(
  {
    outcomes: Type.Array(
      Type.Object(
        {
          id: ClaimId,
          output,
          error: Type.Optional(StepError),
          retryable,
          retry_after: retryAfter,
          release: Type.Optional(
            Type.Boolean({ description: 'True: give the step back, uncharged.', examples: [true] }),
          ),
          delay,
        },
        {
          ...strict,
          description: 'With `error` the attempt failed, with `release` it is given back, else it succeeded.',
        },
      ),
      { maxItems: LIMITS.claimsPerRequest, description: 'How attempts ended.' },
    ),
    claim: Type.Optional(Named(ClaimBodyIn)),
  },
  { $id: 'SettleClaims', ...strict },
);
export type SettleBatch = Static<typeof SettleBatchBody>;

export const SettledClaimList = Type.Object(
  {
    data: Type.Array(
      Type.Object(
        {
          id: ClaimId,
          status: Type.Integer({
            description: 'What the single call would have answered with: 200, 404, 409 or 422.',
            examples: [200],
          }),
          code: Type.Optional(
            Type.String({ description: 'The code of the problem, unless 200.', examples: ['claim_lost'] }),
          ),
          detail: Type.Optional(Type.String({ description: 'The same in words.' })),
          outcome: Type.Optional(outcome),
          retry_in_ms: retryIn,
        },
        strict,
      ),
      { description: 'In the order of the request; each for itself.' },
    ),
    claims: Type.Array(Named(Claim), { description: 'The next claims, if any were asked for.' }),
    command: Type.Optional(Command),
  },
  { $id: 'SettledClaimList', ...strict },
);
export type SettledClaimListBody = Static<typeof SettledClaimList>;

export const ClaimParams = Type.Object({ id: ClaimId });
export const AppendLogQuery = Type.Object(
  {
    offset: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 2_147_483_647,
        description:
          'Where these bytes belong: `next_offset` of the answer before, 0 at first. What is there already is not ' +
          'written twice. When absent they go to the end.',
        examples: [0],
      }),
    ),
  },
  strict,
);
