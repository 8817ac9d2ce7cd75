import { EXAMPLE_CANCELLED_JOB, EXAMPLE_PAUSED_JOB, EXAMPLE_QUEUED_JOB } from '../../contract/example-job.ts';
import { Job, type JobBody } from '../../contract/job.ts';
import { CancelBody, EmptyBody, JobParams, NoQuery } from '../../contract/requests.ts';
import { Named } from '../../contract/scalars.ts';
import { AppError, type ErrorCode } from '../../domain/errors.ts';
import { findUnstorable } from '../../domain/storable.ts';
import { cancelJob } from '../../operations/cancel-job.ts';
import { pauseJob } from '../../operations/pause-job.ts';
import { resumeJob } from '../../operations/resume-job.ts';
import { retryJob } from '../../operations/retry-job.ts';
import { answers, BODY_CODES, DATABASE_CODES } from '../answers.ts';
import type { App, RouteContext } from '../context.ts';
import { jobEtag } from '../etag.ts';
import { findJob, jobIdOf } from '../find-job.ts';
import { jobBody } from '../job-body.ts';

const config = { bodyIsOptional: true };

const cancel = {
  ...verbSchema('cancelJob', 'Cancel a job', 'job_terminal', EXAMPLE_CANCELLED_JOB),
  description:
    'Ends the job and every step of it that is not over, at once. Cancelling again changes nothing.',
  body: CancelBody,
  'x-body-examples': {
    'application/json': {
      reason: { summary: 'With a reason', value: { reason: 'wrong input' } },
    },
  },
};
const pause = {
  ...verbSchema('pauseJob', 'Pause a job', 'job_terminal', EXAMPLE_PAUSED_JOB),
  description: 'Starts no further step; running ones finish. Pausing again changes nothing.',
  body: EmptyBody,
};
const resume = {
  ...verbSchema('resumeJob', 'Resume a job', 'job_terminal', EXAMPLE_QUEUED_JOB),
  description: 'Goes on with a paused job. Resuming again changes nothing.',
  body: EmptyBody,
};
const retry = {
  ...verbSchema('retryJob', 'Retry a job', 'job_not_retryable', EXAMPLE_QUEUED_JOB),
  description:
    'Opens a failed or cancelled job again: what failed, was cancelled or skipped runs again, with everything below ' +
    'it; what succeeded otherwise does not.',
  body: EmptyBody,
};

/** `POST /v1/jobs/{id}/cancel`, `…/pause`, `…/resume` and `…/retry`: each answers the job as it then is. */
export function addJobVerbRoutes(app: App, { store }: RouteContext): void {
  app.post('/v1/jobs/:id/cancel', { schema: cancel, config }, async ({ params, body }, reply) => {
    const id = jobIdOf(params);
    const { reason = null } = body;
    findUnstorable(reason, '/reason', (problem) => {
      throw new AppError('invalid_body', problem.detail, [problem]);
    });
    await cancelJob(store, id, reason);
    return await answer(id, reply);
  });
  app.post('/v1/jobs/:id/pause', { schema: pause, config }, async ({ params }, reply) => {
    const id = jobIdOf(params);
    await pauseJob(store, id);
    return await answer(id, reply);
  });
  app.post('/v1/jobs/:id/resume', { schema: resume, config }, async ({ params }, reply) => {
    const id = jobIdOf(params);
    await resumeJob(store, id);
    return await answer(id, reply);
  });
  app.post('/v1/jobs/:id/retry', { schema: retry, config }, async ({ params }, reply) => {
    const id = jobIdOf(params);
    await retryJob(store, id);
    return await answer(id, reply);
  });

  async function answer(id: string, reply: { header(name: string, value: string): unknown }) {
    const job = await findJob(store, id);
    reply.header('etag', jobEtag(job.version));
    return jobBody(job);
  }
}

function verbSchema(operationId: string, summary: string, conflict: ErrorCode, example: JobBody) {
  return {
    operationId,
    summary,
    tags: ['jobs'],
    params: JobParams,
    querystring: NoQuery,
    response: answers(
      {
        200: {
          description: 'The job as it is now.',
          schema: Named(Job),
          headers: { etag: 'Of its version.' },
          example,
        },
      },
      ['invalid_query', 'job_not_found', conflict, ...BODY_CODES, ...DATABASE_CODES],
    ),
    'x-optional-body': true,
    'x-body-examples': { 'application/json': { nothing: { summary: 'There is nothing to say', value: {} } } },
  };
}
