import { Type } from 'typebox';
import { JOB_STATUSES } from '../domain/job-status.ts';
import { LIMITS } from '../domain/limits.ts';
import { STEP_STATUSES } from '../domain/step-status.ts';
import { EXAMPLE_JOB_ID } from './example-job.ts';
import { OneOf } from './scalars.ts';

const wait = Type.Optional(
  Type.String({
    description: 'How long to wait, at most 60s: `20s`, `1m`, or whole seconds.',
    examples: ['20s'],
  }),
);
const limit = Type.Integer({
  minimum: 1,
  maximum: LIMITS.pageMax,
  default: LIMITS.pageDefault,
  description: 'Most entries on the page; there may be fewer when they are large.',
  examples: [20],
});
const cursor = (example: string) =>
  Type.Optional(Type.String({ description: '`next_cursor` of the page before.', examples: [example] }));
const JOB_CURSOR = 'ajoxNzk1MjI2NDAwMDAwMDAwOjAxOWFhMGMwLTdhMmUtN2MzZi05ZDFiLTJmNmY1ZDNjMWExMA';
const STEP_CURSOR = 'czox';
const id = Type.String({ description: 'Id of the job.', examples: [EXAMPLE_JOB_ID] });
const strict = { additionalProperties: false };

export const JobParams = Type.Object({ id });
export const StepParams = Type.Object({
  id,
  name: Type.String({ description: 'Name of the step.', examples: ['publish'] }),
});

export const NoQuery = Type.Object({}, strict);
export const SubmitQuery = Type.Object({ wait }, strict);
export const GetJobQuery = Type.Object(
  { wait, include: Type.Optional(OneOf(['steps'], '`steps`: also the steps, under `steps.data`.', 'steps')) },
  strict,
);
export const ListJobsQuery = Type.Object(
  {
    status: Type.Optional(
      Type.Array(OneOf(JOB_STATUSES, 'A status.'), {
        description: 'Only jobs in one of these; repeat it for more.',
        examples: [['succeeded', 'failed']],
      }),
    ),
    name: Type.Optional(
      Type.String({ description: 'Only jobs of exactly this name.', examples: ['nightly-report'] }),
    ),
    label: Type.Optional(
      Type.Array(Type.String(), {
        description: 'Only jobs with this label, as `key:value`; repeat it for jobs that have all of them.',
        examples: [['team:data']],
      }),
    ),
    created_after: Type.Optional(
      Type.String({
        description: 'Only jobs submitted after this instant, RFC 3339 with an offset.',
        examples: ['2026-11-20T00:00:00Z'],
      }),
    ),
    created_before: Type.Optional(
      Type.String({
        description: 'Only jobs submitted before this instant, RFC 3339 with an offset.',
        examples: ['2026-11-22T00:00:00Z'],
      }),
    ),
    limit,
    cursor: cursor(JOB_CURSOR),
    include: Type.Optional(
      OneOf(['total'], '`total`: also how many jobs there are in all; that takes a while.', 'total'),
    ),
  },
  strict,
);
export const ListStepsQuery = Type.Object(
  {
    status: Type.Optional(
      Type.Array(OneOf(STEP_STATUSES, 'A status.'), {
        description: 'Only steps in one of these; repeat it for more.',
        examples: [['failed']],
      }),
    ),
    limit,
    cursor: cursor(STEP_CURSOR),
  },
  strict,
);
export const LogQuery = Type.Object(
  {
    attempt: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 2_147_483_647,
        description: 'Which attempt; the latest when absent.',
        examples: [1],
      }),
    ),
    offset: Type.Integer({
      minimum: 0,
      maximum: 2_147_483_647,
      default: 0,
      description:
        'Bytes to leave out at the beginning: `Holdfast-Next-Offset` of the answer before, to go on.',
      examples: [0],
    }),
  },
  strict,
);
export const CleanupQuery = Type.Object(
  {
    days: Type.Integer({
      minimum: 1,
      maximum: LIMITS.cleanupDays,
      description: 'how many days a job that is over is kept, 1 to 3650',
      examples: [7],
    }),
    status: Type.Optional(
      Type.Array(OneOf(['succeeded', 'failed', 'cancelled'], 'A terminal status.'), {
        description: 'Only jobs in one of these; repeat it for more. All three when absent.',
        examples: [['succeeded']],
      }),
    ),
    dry_run: Type.Boolean({
      default: false,
      description: 'True: only say what would be deleted.',
      examples: [true],
    }),
  },
  strict,
);

export const EmptyBody = Type.Object({}, { additionalProperties: false, description: 'Nothing, or `{}`.' });
export const CancelBody = Type.Object(
  {
    reason: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: LIMITS.cancelReasonLength,
        description: "Why; shown as the job's `reason`.",
        examples: ['wrong input'],
      }),
    ),
  },
  { additionalProperties: false, description: 'Nothing, `{}`, or a reason.' },
);
