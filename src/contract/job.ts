import { type Static, Type } from 'typebox';
import { JOB_STATUSES } from '../domain/job-status.ts';
import { JobDefinition } from './job-definition.ts';
import { ProblemEntry } from './problem.ts';
import { AnyJson, Count, Dictionary, Named, NextCursor, Nullable, OneOf, Timestamp } from './scalars.ts';
import { Step, StoredErrorBody } from './step.ts';

const StepCounts = Type.Object(
  {
    total: Count('All steps.'),
    pending: Count('Held back by something.'),
    ready: Count('A worker may take them now.'),
    running: Count('Being run.'),
    waiting: Count('For a retry delay or a timer.'),
    succeeded: Count('Ended well.'),
    failed: Count('Ended badly.'),
    skipped: Count('Never ran: a need did not succeed, or their `if` was false.'),
    cancelled: Count('Stopped with the job.'),
    data: Type.Optional(
      Type.Array(Named(Step), { description: 'With `include=steps`: the steps, up to 500 of them.' }),
    ),
    next_cursor: Type.Optional(NextCursor),
  },
  { additionalProperties: false, description: 'How many steps are where.' },
);

export const Job = Type.Object(
  {
    id: Type.String({
      format: 'uuid',
      description: 'UUIDv7.',
      examples: ['019aa0c0-7a2e-7c3f-9d1b-2f6f5d3c1a10'],
    }),
    name: Type.String({ description: 'As submitted.', examples: ['nightly-report'] }),
    status: OneOf(JOB_STATUSES, 'Where the job is.'),
    reason: Nullable(Type.String({ description: 'Why it is there; null when there is nothing to say.' })),
    version: Count('Grows by one whenever anything visible in the job changes; the ETag.'),
    priority: Type.Integer({ minimum: -100, maximum: 100, description: 'Higher goes first.' }),
    labels: Dictionary(Type.String(), 'As submitted.'),
    input: AnyJson('As submitted; null when there was none.'),
    output: AnyJson('What `output` of the definition evaluated to; null until the job succeeded.'),
    error: Nullable(StoredErrorBody),
    progress: Type.Number({
      minimum: 0,
      maximum: 1,
      description:
        'Terminal steps plus the reported progress of running ones, over all; never falls while the job runs. ' +
        'A job that is cancelled or times out keeps what it had made.',
    }),
    steps: StepCounts,
    created_at: Timestamp('When it was submitted.'),
    run_at: Nullable(Timestamp('Not to be started before this; null when it may start at once.')),
    started_at: Nullable(Timestamp('When its first step was claimed.')),
    finished_at: Nullable(Timestamp('When it reached a terminal status.')),
    elapsed_ms: Nullable(Count('Milliseconds since it started, frozen once it is terminal; null before.')),
    estimated_remaining_ms: Nullable(
      Count('Milliseconds to go at the pace so far; 0 once succeeded, null when unknown.'),
    ),
    warnings: Type.Optional(
      Type.Array(Named(ProblemEntry), {
        description: 'Only in the answer to a submit: what may not be as you meant it.',
      }),
    ),
  },
  { $id: 'Job', additionalProperties: false },
);
export type JobBody = Static<typeof Job>;

export const JobList = Type.Object(
  {
    data: Type.Array(Named(Job), { description: 'Newest first.' }),
    next_cursor: NextCursor,
    total: Type.Optional(Count('With `include=total`: how many jobs the filters admit.')),
  },
  { $id: 'JobList', additionalProperties: false },
);

export const JobBatch = Type.Object(
  {
    data: Type.Array(Named(Job), {
      description:
        'The jobs in the order of the batch. When an earlier request with the same key made them, those that were not deleted since.',
    }),
  },
  { $id: 'JobBatch', additionalProperties: false },
);

export const CheckedJob = Type.Object(
  {
    definition: Named(JobDefinition),
    plan: Type.Array(Type.Array(Type.String()), {
      description:
        'The names of the steps by levels: those of the first need nothing, those of each other one need a step of the one before it.',
      examples: [[['extract'], ['breathe', 'count'], ['publish']]],
    }),
    warnings: Type.Array(Named(ProblemEntry), { description: 'What may not be as you meant it.' }),
  },
  { $id: 'CheckedJob', additionalProperties: false },
);

export const DeletedJob = Type.Object(
  {
    message: Type.String({ description: 'What was done, for people.' }),
    job_id: Type.String({ description: 'The job that is gone.' }),
  },
  { $id: 'DeletedJob', additionalProperties: false },
);

export const CleanupReport = Type.Object(
  {
    message: Type.String({ description: 'What was done, for people.' }),
    deleted_count: Count('Jobs deleted, or that would be deleted when `dry_run` was given.'),
    retention_days: Count('The `days` that were asked for.'),
    more: Type.Boolean({ description: 'True when time ran out before all were deleted: call again.' }),
  },
  { $id: 'CleanupReport', additionalProperties: false },
);
