import { Readable } from 'node:stream';
import { Type } from 'typebox';
import { EXAMPLE_LOG } from '../../contract/example-job.ts';
import { LogQuery, StepParams } from '../../contract/requests.ts';
import { AppError } from '../../domain/errors.ts';
import { readLog, readLogEnd } from '../../repositories/read-logs.ts';
import { answers, DATABASE_CODES } from '../answers.ts';
import type { App, RouteContext } from '../context.ts';
import { jobIdOf } from '../find-job.ts';
import { findStep } from '../find-step.ts';

const schema = {
  operationId: 'getStepLog',
  summary: 'Read the log of a step',
  description:
    'What an attempt wrote, as text; empty before the first attempt. To follow it, ask again with `offset` set to ' +
    '`Holdfast-Next-Offset` of the answer before, until `Holdfast-Attempt-Ended` is `true` and nothing more comes.',
  tags: ['steps'],
  params: StepParams,
  querystring: LogQuery,
  response: answers(
    {
      200: {
        description: 'The log from `offset` on.',
        type: 'text/plain',
        schema: Type.String(),
        example: EXAMPLE_LOG,
        headers: {
          'holdfast-attempt': 'Whose log this is; 0 before the first attempt.',
          'holdfast-attempt-ended': '`true` once the attempt is over.',
          'holdfast-next-offset': 'The `offset` to go on with.',
        },
      },
    },
    ['invalid_query', 'job_not_found', 'step_not_found', 'attempt_not_found', ...DATABASE_CODES],
  ),
};

/** `GET /v1/jobs/{id}/steps/{name}/log`. */
export function addStepLogRoute(app: App, { store }: RouteContext): void {
  app.get('/v1/jobs/:id/steps/:name/log', { schema }, async ({ params, query, method }, reply) => {
    const job_id = jobIdOf(params);
    const step = await findStep(store, job_id, params.name);
    const { attempt = step.attempt, offset } = query;
    if (attempt > step.attempt) throw noSuchAttempt(step.name, step.attempt);
    const key = { job_id, ordinal: step.ordinal, attempt };
    // Up to here and no further, so that the header can say where the next answer goes on.
    const end = await readLogEnd(store.db, key);
    const ended = attempt < step.attempt || (step.status !== 'running' && step.reason !== 'timer');
    reply
      .header('holdfast-attempt', String(attempt))
      .header('holdfast-attempt-ended', String(attempt > 0 && ended))
      .header('holdfast-next-offset', String(end))
      .type('text/plain; charset=utf-8');
    // The framework reads a stream to its end to answer HEAD without it.
    const text = method === 'HEAD' ? [] : readLog(store.db, key, offset, end);
    return reply.send(Readable.from(text, { objectMode: false }));
  });
}

function noSuchAttempt(step: string, attempts: number): AppError {
  const so =
    attempts === 0
      ? 'has not been started yet'
      : `has had ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`;
  return new AppError('attempt_not_found', `the step "${step}" ${so}; leave \`attempt\` out for the latest`);
}
