import { Job } from '../../contract/job.ts';
import { JobDefinition } from '../../contract/job-definition.ts';
import { SubmitQuery } from '../../contract/requests.ts';
import { Named } from '../../contract/scalars.ts';
import { AppError, type Problem } from '../../domain/errors.ts';
import { normaliseJob } from '../../domain/job-definition/normalise.ts';
import { isTerminalJob } from '../../domain/job-status.ts';
import type { Json } from '../../domain/json.ts';
import { LIMITS } from '../../domain/limits.ts';
import { submitJob } from '../../operations/submit-job.ts';
import { answers, BODY_CODES, DATABASE_CODES } from '../answers.ts';
import type { App, RouteContext } from '../context.ts';
import { jobEtag } from '../etag.ts';
import { findJob } from '../find-job.ts';
import { idempotencyKey, requestHash } from '../idempotency.ts';
import { jobBody } from '../job-body.ts';
import { compileWithoutBody } from '../validation.ts';
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
    'body again gives the same job, and another body is refused.',
  tags: ['jobs'],
  querystring: SubmitQuery,
  'x-request-headers': ['Idempotency-Key', 'Prefer'],
  body: Named(JobDefinition),
  response: answers(
    {
      200: {
        description: 'The job: it ended in time, or an earlier request with this key made it.',
        schema: Named(Job),
        headers: { ...headers, 'idempotency-replayed': '`true` when an earlier request made the job.' },
      },
      202: { description: 'The job is stored.', schema: Named(Job), headers },
    },
    [
      ...(['invalid_query', 'invalid_header', 'invalid_definition', 'idempotency_conflict'] as const),
      ...BODY_CODES,
      ...DATABASE_CODES,
    ],
  ),
};

/** `POST /v1/jobs`. */
export function addSubmitRoute(app: App, { store, actionChecks, waits }: RouteContext): void {
  app.route({
    method: 'POST',
    url: '/v1/jobs',
    schema,
    bodyLimit: LIMITS.submitBodyBytes,
    // The definition is judged by rules that say more than its schema could.
    validatorCompiler: compileWithoutBody,
    handler: async (request, reply) => {
      const ms = waitPreference(request, reply, request.query.wait);
      const key = idempotencyKey(request);
      const body = request.body as Json | undefined;
      if (body === undefined)
        throw new AppError('invalid_json', 'the body is empty; send a job definition as JSON');
      const checked = normaliseJob(body, actionChecks);
      if (!checked.ok) throw invalidDefinition(checked.problems);

      const { job } = checked;
      const options = { idempotencyKey: key, requestHash: requestHash(body) };
      const { id, replayed } = await submitJob(store, job, options);
      reply.loggedJobId = id;
      if (ms > 0) await waits.until({ id, ms, reply, enough: ({ status }) => isTerminalJob(status) });

      const stored = await findJob(store, id);
      reply.header('location', `/v1/jobs/${id}`).header('etag', jobEtag(stored.version));
      if (replayed) reply.header('idempotency-replayed', 'true');
      reply.code(replayed || (ms > 0 && isTerminalJob(stored.status)) ? 200 : 202);
      return job.warnings.length === 0 ? jobBody(stored) : { ...jobBody(stored), warnings: job.warnings };
    },
  });
}

function invalidDefinition(problems: Problem[]): AppError {
  const [first] = problems;
  const where = first === undefined || first.pointer === '' ? '' : ` (at ${first.pointer})`;
  const one = `${first?.detail ?? 'the definition is wrong'}${where}`;
  const detail =
    problems.length > 1 ? `${problems.length} things are wrong, see \`errors\`; first: ${one}` : one;
  return new AppError('invalid_definition', detail, problems);
}
