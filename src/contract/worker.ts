import { type Static, Type } from 'typebox';
import { LIMITS } from '../domain/limits.ts';
import { ClaimId, Command, EXAMPLE_WORKER_ID, QueueList, UsesList } from './claim.ts';
import { CLAIM_ACTIONS } from './keep-claim.ts';
import { Count, Dictionary, Named, NextCursor, OneOf, Timestamp } from './scalars.ts';

const strict = { additionalProperties: false };

/** What a worker says of itself. */
export const WorkerRegistration = Type.Object(
  {
    name: Type.String({
      minLength: 1,
      maxLength: LIMITS.workerNameLength,
      description: 'For people: which program on which machine.',
      examples: ['resizer@media-3'],
    }),
    uses: UsesList,
    queues: Type.Optional(
      Type.Unsafe<string[]>({
        ...QueueList,
        description: 'The queues that it takes steps from; every queue when absent.',
      }),
    ),
    slots: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: LIMITS.slotsPerWorker,
        description: 'How many steps it runs at once; 1 when absent.',
        examples: [4],
      }),
    ),
    version: Type.Optional(
      Type.String({
        maxLength: LIMITS.workerVersionLength,
        description: 'Of its program.',
        examples: ['2.1.0'],
      }),
    ),
    labels: Type.Optional(Dictionary(Type.String(), 'Anything else, for people; up to 32.')),
  },
  { $id: 'WorkerRegistration', ...strict },
);
export type WorkerRegistrationBody = Static<typeof WorkerRegistration>;

export const WORKER_STATUSES = ['live', 'draining', 'gone'] as const;

const workerFields = {
  id: Type.String({ format: 'uuid', description: 'Given by the server.', examples: [EXAMPLE_WORKER_ID] }),
  name: Type.String({ description: 'For people.', examples: ['resizer@media-3'] }),
  kind: OneOf(['server', 'remote'], '`server`: the pool of a server itself.', 'remote'),
  status: OneOf(
    WORKER_STATUSES,
    '`live`: heard of lately. `draining`: takes no more steps. `gone`: silent; its claims expire by themselves.',
    'live',
  ),
  uses: Type.Array(Type.String(), { description: 'The actions that it offers.', examples: [['resize']] }),
  queues: Type.Unsafe<string[] | null>({
    type: ['array', 'null'],
    items: { type: 'string' },
    description: 'The queues that it takes steps from; null: every queue.',
    examples: [null],
  }),
  slots: Count('How many steps it runs at once.'),
  running: Count('How many steps it holds a claim on now.'),
  version: Type.String({ description: 'Of its program; empty when it said nothing.', examples: ['2.1.0'] }),
  labels: Dictionary(Type.String(), 'As registered.'),
  started_at: Timestamp('When it was registered.'),
  last_seen_at: Timestamp('When it was last heard of.'),
};

export const WorkerEntry = Type.Object(workerFields, { $id: 'Worker', ...strict });
export type WorkerBody = Static<typeof WorkerEntry>;

/** The answer to a registration: the entry, and the intervals to use. */
export const RegisteredWorker = Type.Object(
  {
    ...workerFields,
    heartbeat_interval_ms: Count('Send a heartbeat so often.'),
    claim_ttl_ms: Count('How long a claim is valid when the request names no `ttl`.'),
    wait_max_ms: Count('The longest `wait` of a claim request.'),
  },
  { $id: 'RegisteredWorker', ...strict },
);
export type RegisteredWorkerBody = Static<typeof RegisteredWorker>;

export const WorkerList = Type.Object(
  {
    data: Type.Array(Named(WorkerEntry), { description: 'Those that live first, newest first.' }),
    next_cursor: NextCursor,
  },
  { $id: 'WorkerList', ...strict },
);

export const HeartbeatBody = Type.Object(
  {
    claims: Type.Optional(
      Type.Array(
        Type.Object(
          {
            id: ClaimId,
            progress: Type.Optional(
              Type.Number({ minimum: 0, maximum: 1, description: 'How much of the step is done.' }),
            ),
          },
          strict,
        ),
        {
          maxItems: LIMITS.claimsPerRequest,
          description:
            'The claims to extend, each by the ttl it was made with. Those not listed are not extended.',
        },
      ),
    ),
  },
  { $id: 'Heartbeat', ...strict },
);

export const HeartbeatAnswer = Type.Object(
  {
    command: Command,
    claims: Type.Array(
      Type.Object(
        {
          id: ClaimId,
          action: OneOf(CLAIM_ACTIONS, 'As an extend answers.', 'continue'),
          expires_in_ms: Count('Milliseconds until the claim expires; 0 unless `continue`.'),
        },
        strict,
      ),
      { description: 'In the order of the request.' },
    ),
  },
  { $id: 'HeartbeatAnswer', ...strict },
);
export type HeartbeatAnswerBody = Static<typeof HeartbeatAnswer>;

export const RemovedWorker = Type.Object(
  {
    message: Type.String({ description: 'What was done.' }),
    worker_id: Type.String({ format: 'uuid', description: 'Id of the worker.' }),
    released: Count('How many steps it held and were given back, uncharged.'),
  },
  { $id: 'RemovedWorker', ...strict },
);

const WORKER_CURSOR = 'dzowOjE3OTUyMjI4MDAwMDAwMDA6M2YxYzlhNTItNmQwZS00YjdhLTljMmYtNWI4ZTdkNmE0YzMx';

export const WorkerParams = Type.Object({
  id: Type.String({ description: 'Id of the worker.', examples: [EXAMPLE_WORKER_ID] }),
});
export const ListWorkersQuery = Type.Object(
  {
    status: Type.Optional(
      Type.Array(OneOf(WORKER_STATUSES, 'A status.'), {
        description: 'Only workers in one of these; repeat it for more.',
        examples: [['live']],
      }),
    ),
    limit: Type.Integer({
      minimum: 1,
      maximum: LIMITS.pageMax,
      default: LIMITS.pageDefault,
      description: 'Most entries on the page.',
      examples: [20],
    }),
    cursor: Type.Optional(
      Type.String({ description: '`next_cursor` of the page before.', examples: [WORKER_CURSOR] }),
    ),
  },
  strict,
);
