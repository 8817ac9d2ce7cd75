import type { FastifyReply } from 'fastify';
import type { ProblemBody } from '../contract/problem.ts';
import { AppError, type ErrorCode } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { makeTextStorable } from '../domain/storable.ts';
import { EXAMPLE_REQUEST_ID, PROBLEM_EXAMPLES } from './problem-examples.ts';

/** The HTTP status and the title of each code. A code that is missing here does not compile. */
export const PROBLEMS: Record<ErrorCode, { status: number; title: string; retry_after?: number }> = {
  bad_request: { status: 400, title: 'The request cannot be read' },
  invalid_json: { status: 400, title: 'The body is not JSON' },
  invalid_yaml: { status: 400, title: 'The body is not YAML that is taken' },
  invalid_toml: { status: 400, title: 'The body is not TOML' },
  invalid_query: { status: 400, title: 'A query parameter is wrong' },
  invalid_header: { status: 400, title: 'A header is wrong' },
  invalid_cursor: { status: 400, title: 'The cursor is wrong' },
  invalid_definition: { status: 422, title: 'The job definition is wrong' },
  invalid_body: { status: 422, title: 'The body is wrong' },
  idempotency_conflict: { status: 422, title: 'The idempotency key belongs to another request' },
  job_not_found: { status: 404, title: 'No such job' },
  step_not_found: { status: 404, title: 'No such step' },
  attempt_not_found: { status: 404, title: 'No such attempt' },
  problem_not_found: { status: 404, title: 'No such problem' },
  route_not_found: { status: 404, title: 'No such route' },
  method_not_allowed: { status: 405, title: 'Not with this method' },
  job_terminal: { status: 409, title: 'The job is over' },
  job_not_terminal: { status: 409, title: 'The job is not over' },
  job_not_retryable: { status: 409, title: 'The job cannot be retried' },
  worker_not_found: { status: 404, title: 'No such worker' },
  worker_is_server: { status: 409, title: 'The worker is a server' },
  claim_not_found: { status: 404, title: 'No such claim' },
  claim_lost: { status: 409, title: 'The claim is lost' },
  claim_settled: { status: 409, title: 'The claim has ended otherwise' },
  expected_offset: { status: 409, title: 'The log does not go on there' },
  too_many_waiting: { status: 429, title: 'Too many requests wait', retry_after: 1 },
  payload_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'Not a content type that is read here' },
  forbidden_host: { status: 403, title: 'Not a host that is served here' },
  forbidden_origin: { status: 403, title: 'Not an origin that is served here' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  overloaded: { status: 503, title: 'This server has too much to do', retry_after: 1 },
  database_unavailable: { status: 503, title: 'The database is away', retry_after: 1 },
  shutting_down: { status: 503, title: 'This server is shutting down', retry_after: 1 },
  internal_error: { status: 500, title: 'Something went wrong in the server' },
};

/** The problem document of an error. */
export function problemBody(error: AppError, instance: string, requestId: string): ProblemBody {
  const { status, title } = PROBLEMS[error.code];
  return {
    // A path: it is resolved against the URL that was asked for, and so leads to this server's own page.
    type: `/problems/${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    instance,
    request_id: requestId,
    ...error.members,
    errors: error.errors
      .slice(0, LIMITS.errorsPerProblem)
      // A pointer names a key as it came, which strict readers of JSON may not be able to decode.
      .map((problem) => ({ ...problem, pointer: makeTextStorable(problem.pointer) })),
  };
}

/** A problem document as it is really answered, for people to read. */
export function exampleProblem(code: ErrorCode): ProblemBody {
  const { asked, detail, errors = [], members } = PROBLEM_EXAMPLES[code];
  const [, url = ''] = asked.split(' ');
  return problemBody(new AppError(code, detail, errors, members), pathOf(url), EXAMPLE_REQUEST_ID);
}

/** Answers with the problem document of an error. */
export function sendProblem(reply: FastifyReply, error: AppError): FastifyReply {
  const { status, retry_after } = PROBLEMS[error.code];
  const { request } = reply;
  if (retry_after !== undefined) reply.header('retry-after', String(retry_after));
  reply.problemCode = error.code;
  return reply
    .code(status)
    .header('x-request-id', request.id)
    .header('cache-control', 'no-store')
    .type('application/problem+json; charset=utf-8')
    .serializer(JSON.stringify)
    .send(problemBody(error, pathOf(request.url), request.id));
}

/** The path of a URL, without its query, which may hold what the caller did not mean to show. */
export function pathOf(url: string): string {
  const end = url.indexOf('?');
  return end === -1 ? url : url.slice(0, end);
}

declare module 'fastify' {
  interface FastifyReply {
    /** The code of the problem that was answered, for the log. */
    problemCode: ErrorCode | null;
  }
}
