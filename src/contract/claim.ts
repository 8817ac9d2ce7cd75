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
  description: 'The name of an action: lowercase letters, digits and `._/-`, a letter or digit first.',
  examples: ['resize'],
});
const QueueName = Type.String({
  pattern: NAMES.queue.source,
  description: 'The name of a queue: letters, digits and `._/-`, a letter, digit or `_` first.',
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

export const Fraction = Type.Number({
  minimum: 0,
  maximum: 1,
  description: 'How much of the step is done, 0 to 1; shown at most about once a second.',
  examples: [0.5],
});
export const Ttl = Duration('How long the claim is valid without being extended; 1s to 1h.', ['30s']);

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

export const ClaimParams = Type.Object({ id: ClaimId });
