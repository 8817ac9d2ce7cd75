import type { Static } from 'typebox';
import { EXAMPLE_JOB, EXAMPLE_JOB_ID } from '../../contract/example-job.ts';
import { DeletedJob, Job, type JobBody, JobList } from '../../contract/job.ts';
import { GetJobQuery, JobParams, ListJobsQuery, NoQuery } from '../../contract/requests.ts';
import { Named } from '../../contract/scalars.ts';
import { isTerminalJob } from '../../domain/job-status.ts';
import { LIMITS } from '../../domain/limits.ts';
import { findUnstorable } from '../../domain/storable.ts';
import { deleteJob } from '../../operations/delete-job.ts';
import { countJobs, type JobFilters, readJobs } from '../../repositories/read-jobs.ts';
import { readSteps } from '../../repositories/read-steps.ts';
import { answers, DATABASE_CODES } from '../answers.ts';
import type { App, RouteContext } from '../context.ts';
import { jobEtag, matchesEtag } from '../etag.ts';
import { findJob, jobIdOf } from '../find-job.ts';
import { readInstant } from '../instant.ts';
import { jobBody } from '../job-body.ts';
import { decodeJobCursor, encodeJobCursor, encodeStepCursor } from '../pagination.ts';
import { stepBody } from '../step-body.ts';
import { queryProblem } from '../validation.ts';
import { waitPreference } from '../wait-preference.ts';

const jobs = { data: [EXAMPLE_JOB], next_cursor: null };

const listSchema = {
  operationId: 'listJobs',
  summary: 'List jobs',
  description:
    'Newest first, a page at a time. Give `next_cursor` as `cursor`, and the same filters, for the next page.',
  tags: ['jobs'],
  querystring: ListJobsQuery,
  response: answers({ 200: { description: 'A page of jobs.', schema: Named(JobList), example: jobs } }, [
    'invalid_query',
    'invalid_cursor',
    ...DATABASE_CODES,
  ]),
};

const getHeaders = {
  etag: 'Of its version, for `If-None-Match`.',
  'preference-applied': 'The `Prefer: wait` that was granted.',
};

const getSchema = {
  operationId: 'getJob',
  summary: 'Get a job',
  description:
    'With `?wait=20s` (or the header `Prefer: wait=20`) the answer waits for what you do not have yet: without the ' +
    'header `If-None-Match` until the job is terminal, with it until the job changes.',
  tags: ['jobs'],
  params: JobParams,
  'x-request-headers': ['If-None-Match', 'Prefer'],
  querystring: GetJobQuery,
  response: answers(
    {
      200: {
        description: 'The job.',
        schema: Named(Job),
        headers: getHeaders,
        example: EXAMPLE_JOB,
      },
      304: { description: 'It is still as `If-None-Match` says.', headers: getHeaders },
    },
    ['invalid_query', 'job_not_found', ...DATABASE_CODES],
  ),
};

const gone = {
  message: `Deleted job ${EXAMPLE_JOB_ID} with its steps, attempts and logs.`,
  job_id: EXAMPLE_JOB_ID,
};

const deleteSchema = {
  operationId: 'deleteJob',
  summary: 'Delete a job',
  description: 'Deletes a job that is over, with its steps, attempts and logs.',
  tags: ['jobs'],
  params: JobParams,
  querystring: NoQuery,
  response: answers({ 200: { description: 'It is gone.', schema: Named(DeletedJob), example: gone } }, [
    'invalid_query',
    'job_not_found',
    'job_not_terminal',
    ...DATABASE_CODES,
  ]),
};

/** `GET /v1/jobs`, `GET /v1/jobs/{id}` and `DELETE /v1/jobs/{id}`. */
export function addJobRoutes(app: App, context: RouteContext): void {
  const { store, waits } = context;

  app.get('/v1/jobs', { schema: listSchema }, async ({ query }) => {
    const filters = filtersOf(query);
    const after = query.cursor === undefined ? null : decodeJobCursor(query.cursor);
    const { jobs, next } = await readJobs(store.db, filters, { limit: query.limit, after });
    const page = { data: jobs.map(jobBody), next_cursor: next === null ? null : encodeJobCursor(next) };
    return query.include === 'total' ? { ...page, total: await countJobs(store.db, filters) } : page;
  });

  app.get('/v1/jobs/:id', { schema: getSchema }, async (request, reply) => {
    const id = jobIdOf(request.params);
    const { wait, include } = request.query;
    const known = request.headers['if-none-match'];
    const ms = waitPreference(request, reply, wait);
    if (ms > 0) {
      const enough = ({ version, status }: { version: number; status: JobBody['status'] }) =>
        known === undefined ? isTerminalJob(status) : !matchesEtag(known, jobEtag(version));
      await waits.until({ id, ms, reply, enough });
    }
    const job = await findJob(store, id);
    reply.header('etag', jobEtag(job.version));
    if (matchesEtag(known, jobEtag(job.version))) return reply.code(304).send();
    const body = jobBody(job);
    return include === 'steps' ? await withSteps(body, context) : body;
  });

  app.delete(
    '/v1/jobs/:id',
    { schema: deleteSchema, config: { bodyIsOptional: true } },
    async ({ params }) => {
      const id = jobIdOf(params);
      await deleteJob(store, id);
      return { message: `Deleted job ${id} with its steps, attempts and logs.`, job_id: id };
    },
  );
}

async function withSteps(job: JobBody, { store, readOffers }: RouteContext): Promise<JobBody> {
  const page = { limit: LIMITS.pageMax, after: -1, statuses: [] };
  const [{ steps, next }, offers] = await Promise.all([readSteps(store.db, job.id, page), readOffers()]);
  const data = steps.map((step) => stepBody(step, offers));
  return {
    ...job,
    steps: { ...job.steps, data, next_cursor: next === null ? null : encodeStepCursor(next) },
  };
}

function filtersOf(query: Static<typeof ListJobsQuery>): JobFilters {
  refuseUnstorable('name', query.name ?? '');
  for (const label of query.label ?? []) refuseUnstorable('label', label);
  return {
    statuses: query.status ?? [],
    name: query.name ?? null,
    labels: labelsOf(query.label ?? []),
    created_after:
      query.created_after === undefined ? null : readInstant('created_after', query.created_after),
    created_before:
      query.created_before === undefined ? null : readInstant('created_before', query.created_before),
  };
}

// The database refuses to compare with what it cannot hold.
function refuseUnstorable(name: string, value: string): void {
  findUnstorable(value, '', ({ code, detail }) => {
    throw queryProblem(name, code, `\`${name}\`: ${detail}, so that no job has it`);
  });
}

function labelsOf(given: readonly string[]): Record<string, string> {
  const pairs = given.map((label): [string, string] => {
    const colon = label.indexOf(':');
    if (colon > 0) return [label.slice(0, colon), label.slice(colon + 1)];
    throw queryProblem(
      'label',
      'invalid_label',
      `\`label\` must be key:value, as in label=team:data, not "${label}"`,
    );
  });
  const labels = Object.fromEntries(pairs);
  const twice = pairs.find(([key, value]) => labels[key] !== value)?.[0];
  if (twice === undefined) return labels;
  throw queryProblem(
    'label',
    'invalid_label',
    `no job has two values of the label "${twice}"; ask for one of them`,
  );
}
