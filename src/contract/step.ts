import { type Static, Type } from 'typebox';
import { BLOCKED_BY_CODES } from '../domain/blocked-by.ts';
import { STEP_STATUSES } from '../domain/step-status.ts';
import { AnyJson, Count, Named, NextCursor, Nullable, OneOf, Timestamp } from './scalars.ts';

/** An error of a job, a step or an attempt. */
export const StoredErrorBody = Type.Object(
  {
    code: Type.String({
      description: 'Stable code, or the one that the action gave.',
      examples: ['exit_code'],
    }),
    message: Type.String({ description: 'What happened.' }),
    details: Type.Optional(AnyJson('What the action added.')),
  },
  { additionalProperties: false, description: 'Why it did not succeed; null when nothing is wrong.' },
);

export const BlockedByBody = Type.Object(
  {
    code: OneOf(BLOCKED_BY_CODES, 'What holds the step.'),
    message: Type.String({ description: 'The same in words, with what to do where something can be done.' }),
  },
  { $id: 'BlockedBy', additionalProperties: false },
);

const stepFields = {
  name: Type.String({ description: 'Unique within the job.', examples: ['extract'] }),
  status: OneOf(STEP_STATUSES, 'Where the step is.'),
  reason: Nullable(
    Type.String({ description: 'Why it is there, as a word; null when there is nothing to say.' }),
  ),
  uses: Type.String({ description: 'The action.', examples: ['shell'] }),
  queue: Type.String({ description: 'The lane it waits in.', examples: ['default'] }),
  needs: Type.Array(Type.String(), {
    description: 'Names of the steps that must end before this one may start.',
  }),
  attempt: Count('Number of the current or last attempt; 0 before the first. Never goes back.'),
  failures: Count('Attempts that failed or timed out since submit or the last retry by hand.'),
  losses: Count('Attempts in a row whose worker was lost.'),
  max_attempts: Count('How many failures fail the step.'),
  progress: Nullable(
    Type.Number({ minimum: 0, maximum: 1, description: 'What the action reported; 1 once succeeded.' }),
  ),
  output: AnyJson('What the action gave; null unless the step succeeded.'),
  error: Nullable(StoredErrorBody),
  claimed_by: Nullable(Type.String({ description: 'Id of the worker that runs it now.' })),
  version: Count('The version of the job at which this step last changed.'),
  ready_at: Nullable(Timestamp('When it last became ready.')),
  started_at: Nullable(Timestamp('When its last attempt started.')),
  finished_at: Nullable(Timestamp('When it reached a terminal status.')),
  wake_at: Nullable(Timestamp('When its retry delay or timer is over; null unless waiting.')),
  blocked_by: Type.Array(Named(BlockedByBody), {
    description: 'What keeps it from running; empty when it runs or is over.',
  }),
};

/** A step as lists show it. */
export const Step = Type.Object(stepFields, { $id: 'Step', additionalProperties: false });
export type StepBody = Static<typeof Step>;

export const Attempt = Type.Object(
  {
    attempt: Count('Its number, from 1.'),
    outcome: Nullable(
      Type.String({
        enum: ['succeeded', 'failed', 'timed_out', 'lost', 'released', 'cancelled', null],
        description: 'How it ended; null while it goes on.',
      }),
    ),
    error: Nullable(StoredErrorBody),
    worker: Nullable(Type.String({ description: 'Id of the worker that ran it.' })),
    started_at: Nullable(Timestamp('When it started.')),
    finished_at: Nullable(Timestamp('When it ended; null while it goes on.')),
  },
  { $id: 'Attempt', additionalProperties: false },
);
export type AttemptBody = Static<typeof Attempt>;

/** A step on its own: also what it was given, and every attempt. */
export const StepDetail = Type.Object(
  {
    ...stepFields,
    with: AnyJson('What the definition gives the action, before its expressions are evaluated.'),
    attempts: Type.Array(Named(Attempt), {
      description: 'Every attempt, oldest first, the current one included.',
    }),
  },
  { $id: 'StepDetail', additionalProperties: false },
);

export const StepList = Type.Object(
  {
    data: Type.Array(Named(Step), { description: 'In the order of the definition.' }),
    next_cursor: NextCursor,
  },
  { $id: 'StepList', additionalProperties: false },
);
