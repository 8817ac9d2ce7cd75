import { EXAMPLE_CHECKED_JOB } from '../../contract/example-job.ts';
import { JobDefinition } from '../../contract/job-definition.ts';
import { JobParams, NoQuery } from '../../contract/requests.ts';
import { Named } from '../../contract/scalars.ts';
import { rebuildDefinition } from '../../domain/job-definition/rebuild.ts';
import { readDefinedJob } from '../../repositories/read-definition.ts';
import { answers, DATABASE_CODES } from '../answers.ts';
import type { App, RouteContext } from '../context.ts';
import { contentEtag, matchesEtag } from '../etag.ts';
import { jobIdOf, noSuchJob } from '../find-job.ts';
import { writeReadable } from '../readable-json.ts';

const headers = { etag: 'Of the definition, for `If-None-Match`.' };

const schema = {
  operationId: 'getJobDefinition',
  summary: 'Get the definition of a job',
  description:
    'What the job was made from, everything written out, ready to be submitted again. It never changes; a `delay` has ' +
    'become the `run_at` that it led to, and `defaults` and `queue` are what most steps have.',
  tags: ['jobs'],
  params: JobParams,
  querystring: NoQuery,
  'x-request-headers': ['If-None-Match'],
  response: answers(
    {
      200: {
        description: 'The definition.',
        schema: Named(JobDefinition),
        headers,
        example: EXAMPLE_CHECKED_JOB.definition,
      },
      304: { description: 'You have it.', headers },
    },
    ['invalid_query', 'job_not_found', ...DATABASE_CODES],
  ),
};

/** `GET /v1/jobs/{id}/definition`. */
export function addDefinitionRoute(app: App, { store }: RouteContext): void {
  app.route({
    method: 'GET',
    url: '/v1/jobs/:id/definition',
    schema,
    handler: async ({ params, headers }, reply) => {
      const id = jobIdOf(params);
      const defined = await readDefinedJob(store.db, id);
      if (defined === undefined) throw noSuchJob(id);
      const text = writeReadable(rebuildDefinition(defined.job, defined.steps));
      const etag = contentEtag(text);
      reply.header('etag', etag);
      if (matchesEtag(headers['if-none-match'], etag)) return reply.code(304).send();
      reply.type('application/json; charset=utf-8');
      // Written already, in a way that a serialiser made from the schema does not know.
      return reply.serializer((written: unknown) => written as string).send(text as never);
    },
  });
}
