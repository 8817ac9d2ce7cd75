import type { FastifyRequest } from 'fastify';
import { EXAMPLE_JOB, EXAMPLE_QUEUED_JOB } from '../../contract/example-job.ts';
import { Job } from '../../contract/job.ts';
import { SubmitQuery } from '../../contract/requests.ts';
import { Named } from '../../contract/scalars.ts';
import { isTerminalJob } from '../../domain/job-status.ts';
import { submitJob } from '../../operations/submit-job.ts';
import { answers, DATABASE_CODES, DEFINITION_CODES } from '../answers.ts';
import type { App, RouteContext } from '../context.ts';
import { DEFINITION_EXAMPLES } from '../definition-examples.ts';
import { jobEtag } from '../etag.ts';
import { findJob } from '../find-job.ts';
import { idempotencyKey, requestHash } from '../idempotency.ts';
import { jobBody } from '../job-body.ts';
import { DEFINITION_BODY, readDefinition, TAKES_DEFINITION } from '../read-definition.ts';
import { traceparentOf } from '../traceparent.ts';
import { waitPreference } from '../wait-preference.ts';

const headers = {
  location: 'Where the job is.',
  etag: 'Of the job, for `If-None-Match`.',
  'preference-applied': 'The `Prefer: wait` that was granted.',
};

const schema = {
  operationId: 'submitJob',
  summary: 'Submit a job',
  description:
    'Stores the job and answers; its steps run by themselves. With `?wait=30s` or the header `Prefer: wait=30` the ' +
    'answer waits for the end of the job. With the header `Idempotency-Key` (up to 255 visible characters) the same ' +
    'body again gives the same job, and another body is refused. The body may be JSON, YAML or TOML.',
  tags: ['jobs'],
  querystring: SubmitQuery,
  'x-request-headers': ['Idempotency-Key', 'Prefer', 'Traceparent'],
  body: DEFINITION_BODY,
  'x-body-examples': DEFINITION_EXAMPLES,
  response: answers(
    {
      200: {
        description: 'The job: it ended in time, or an earlier request with this key made it.',
        schema: Named(Job),
        headers: { ...headers, 'idempotency-replayed': '`true` when an earlier request made the job.' },
        example: EXAMPLE_JOB,
      },
      202: { description: 'The job is stored.', schema: Named(Job), headers, example: EXAMPLE_QUEUED_JOB },
    },
    [
      ...(['invalid_query', 'invalid_header', 'idempotency_conflict'] as const),
      ...DEFINITION_CODES,
      ...DATABASE_CODES,
    ],
  ),
};

/** `POST /v1/jobs`. */
export function addSubmitRoute(app: App, context: RouteContext): void {
  const { store, waits } = context;
  app.route({
    method: 'POST',
    url: '/v1/jobs',
    schema,
    ...TAKES_DEFINITION,
    handler: async (request, reply) => {
      const ms = waitPreference(request, reply, request.query.wait);
      const { warnings, ...submitted } = await storeJob(request, context);
      const { id, replayed } = submitted;
      reply.loggedJobId = id;
      // The answer may wait for the end of the job, and what was sent may be large.
      request.letBodyGo();
      if (ms > 0) await waits.until({ id, ms, reply, enough: ({ status }) => isTerminalJob(status) });

      const stored = ms > 0 || submitted.replayed ? await findJob(store, id) : submitted.job;
      reply.header('location', `/v1/jobs/${id}`).header('etag', jobEtag(stored.version));
      if (replayed) reply.header('idempotency-replayed', 'true');
      reply.code(replayed || (ms > 0 && isTerminalJob(stored.status)) ? 200 : 202);
      return warnings.length === 0 ? jobBody(stored) : { ...jobBody(stored), warnings };
    },
  });
}

/** Stores what the request defines. A function of its own, so that who waits for the job holds nothing of it. */
async function storeJob(request: FastifyRequest, context: RouteContext) {
  const key = idempotencyKey(request);
  const { job, body } = await readDefinition(request, context);
  const traceparent = traceparentOf(request);
  const options = { idempotencyKey: key, requestHash: await requestHash(body), traceparent };
  const stored = await submitJob(context.store, job, options);
  return { ...stored, warnings: job.warnings };
}
