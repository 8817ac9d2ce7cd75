import { EXAMPLE_STEP, EXAMPLE_STEPS } from '../../contract/example-job.ts';
import { JobParams, ListStepsQuery, NoQuery, StepParams } from '../../contract/requests.ts';
import { Named } from '../../contract/scalars.ts';
import { StepDetail, StepList } from '../../contract/step.ts';
import { readAttempts, readSteps } from '../../repositories/read-steps.ts';
import { answers, DATABASE_CODES } from '../answers.ts';
import type { App, RouteContext } from '../context.ts';
import { etagOfContent } from '../etag.ts';
import { findJob, jobIdOf } from '../find-job.ts';
import { findStep } from '../find-step.ts';
import { decodeStepCursor, encodeStepCursor } from '../pagination.ts';
import { attemptBodies, stepBody } from '../step-body.ts';

const headers = { etag: 'Of this answer, for `If-None-Match`.' };
const unchanged = { description: 'It is still as `If-None-Match` says.', headers };

const listSchema = {
  operationId: 'listSteps',
  summary: 'List the steps of a job',
  description: 'In the order of the definition, a page at a time, each with what keeps it from running.',
  tags: ['steps'],
  params: JobParams,
  'x-request-headers': ['If-None-Match'],
  querystring: ListStepsQuery,
  response: answers(
    {
      200: { description: 'A page of steps.', schema: Named(StepList), headers, example: EXAMPLE_STEPS },
      304: unchanged,
    },
    ['invalid_query', 'invalid_cursor', 'job_not_found', ...DATABASE_CODES],
  ),
};

const getSchema = {
  operationId: 'getStep',
  summary: 'Get a step',
  description: 'One step with what it was given, every attempt, and what keeps it from running.',
  tags: ['steps'],
  params: StepParams,
  'x-request-headers': ['If-None-Match'],
  querystring: NoQuery,
  response: answers(
    {
      200: { description: 'The step.', schema: Named(StepDetail), headers, example: EXAMPLE_STEP },
      304: unchanged,
    },
    ['invalid_query', 'job_not_found', 'step_not_found', ...DATABASE_CODES],
  ),
};

/** `GET /v1/jobs/{id}/steps` and `GET /v1/jobs/{id}/steps/{name}`. */
export function addStepRoutes(app: App, { store, readOffers }: RouteContext): void {
  app.get('/v1/jobs/:id/steps', { schema: listSchema, onSend: etagOfContent }, async ({ params, query }) => {
    const id = jobIdOf(params);
    const after = query.cursor === undefined ? -1 : decodeStepCursor(query.cursor);
    const page = { limit: query.limit, after, statuses: query.status ?? [] };
    const [{ steps, next }, offers] = await Promise.all([readSteps(store.db, id, page), readOffers()]);
    // Only an empty page leaves open whether there is such a job.
    if (steps.length === 0) await findJob(store, id);
    return {
      data: steps.map((step) => stepBody(step, offers)),
      next_cursor: next === null ? null : encodeStepCursor(next),
    };
  });

  app.get('/v1/jobs/:id/steps/:name', { schema: getSchema, onSend: etagOfContent }, async ({ params }) => {
    const id = jobIdOf(params);
    const [step, offers] = await Promise.all([findStep(store, id, params.name), readOffers()]);
    const key = { job_id: id, ordinal: step.ordinal, upTo: step.attempt };
    const ended = step.attempt === 0 ? [] : await readAttempts(store.db, key);
    return { ...stepBody(step, offers), with: step.with, attempts: attemptBodies(step, ended) };
  });
}
