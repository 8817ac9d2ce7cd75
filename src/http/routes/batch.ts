import { EXAMPLE_BATCH } from '../../contract/example-definition.ts';
import { EXAMPLE_QUEUED_JOBS } from '../../contract/example-job.ts';
import { JobBatch } from '../../contract/job.ts';
import { BatchDefinition } from '../../contract/job-definition.ts';
import { NoQuery } from '../../contract/requests.ts';
import { Named } from '../../contract/scalars.ts';
import { LIMITS } from '../../domain/limits.ts';
import { submitBatch } from '../../operations/submit-batch.ts';
import { readJobsById } from '../../repositories/read-jobs.ts';
import { answers, BODY_CODES, DATABASE_CODES } from '../answers.ts';
import type { App, RouteContext } from '../context.ts';
import { idempotencyKey } from '../idempotency.ts';
import { jobBody } from '../job-body.ts';
import { readBatch } from '../read-batch.ts';
import { traceparentOf } from '../traceparent.ts';
import { compileWithoutBody } from '../validation.ts';

const schema = {
  operationId: 'submitBatch',
  summary: 'Submit many jobs at once',
  description:
    `Stores up to ${LIMITS.jobsPerBatch} jobs, all of them or none; what is wrong with any of them is told at once. ` +
    'With the header `Idempotency-Key`, which holds for the whole, the same body again gives the same jobs, as far as ' +
    'they were not deleted since, and another body is refused.',
  tags: ['jobs'],
  querystring: NoQuery,
  'x-request-headers': ['Idempotency-Key', 'Traceparent'],
  body: { content: { 'application/json': { schema: Named(BatchDefinition) } } },
  'x-body-examples': {
    'application/json': { 'two-jobs': { summary: 'Two jobs', value: EXAMPLE_BATCH } },
  },
  response: answers(
    {
      200: {
        description: 'An earlier request with this key made the jobs.',
        schema: Named(JobBatch),
        headers: { 'idempotency-replayed': '`true`.' },
        example: EXAMPLE_QUEUED_JOBS,
      },
      202: { description: 'The jobs are stored.', schema: Named(JobBatch), example: EXAMPLE_QUEUED_JOBS },
    },
    [
      ...(['invalid_query', 'invalid_header', 'idempotency_conflict', 'invalid_definition'] as const),
      ...BODY_CODES,
      ...DATABASE_CODES,
    ],
  ),
};

/** `POST /v1/jobs/batch`. */
export function addBatchRoute(app: App, context: RouteContext): void {
  const { store } = context;
  app.route({
    method: 'POST',
    url: '/v1/jobs/batch',
    schema,
    bodyLimit: LIMITS.batchBodyBytes,
    // The definitions are judged by rules that say more than their schema could.
    validatorCompiler: compileWithoutBody,
    handler: async (request, reply) => {
      const key = idempotencyKey(request);
      const { jobs, warnings, hash } = await readBatch(request, context);
      const traceparent = traceparentOf(request);
      const made = await submitBatch(store, jobs, { idempotencyKey: key, requestHash: hash, traceparent });
      const read = await readJobsById(
        store.db,
        made.jobs.map(({ id }) => id),
      );
      const jobOf = new Map(read.map((job) => [job.id, job]));
      if (made.replayed) reply.header('idempotency-replayed', 'true');
      reply.code(made.replayed ? 200 : 202);
      const data = made.jobs.flatMap(({ id, index }) => {
        const job = jobOf.get(id);
        // Deleted this very moment.
        if (job === undefined) return [];
        const own = warnings[index] ?? [];
        return [own.length === 0 ? jobBody(job) : { ...jobBody(job), warnings: own }];
      });
      return { data };
    },
  });
}
