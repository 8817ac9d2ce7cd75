import { EXAMPLE_CLAIM_ID, EXAMPLE_WORKER_ID } from '../contract/claim.ts';
import { EXAMPLE_JOB_ID } from '../contract/example-job.ts';
import type { ErrorCode, Problem, ProblemMembers } from '../domain/errors.ts';

export const EXAMPLE_REQUEST_ID = '0191b0c8-5c1e-7d0a-b8a4-7a2f4f0e9b11';

/** One case of a problem as it is really answered; a test provokes each. */
export interface ProblemExample {
  /** Method and path of the request. */
  asked: string;
  detail: string;
  errors?: Problem[];
  members?: ProblemMembers;
}

const JOB = `/v1/jobs/${EXAMPLE_JOB_ID}`;

/** A code that is missing here does not compile. */
export const PROBLEM_EXAMPLES: Record<ErrorCode, ProblemExample> = {
  bad_request: { asked: 'GET /v1/%zz', detail: 'the path is not a valid URL: write a percent sign as %25' },
  invalid_json: {
    asked: 'POST /v1/jobs',
    detail: 'the body is not JSON: unexpected "}" at line 1, column 18',
  },
  invalid_yaml: {
    asked: 'POST /v1/jobs',
    detail: 'the body is not YAML that is taken: line 3, column 1: a tab cannot indent in YAML; use spaces',
    errors: [
      { pointer: '', code: 'invalid_yaml', detail: 'a tab cannot indent in YAML; use spaces', line: 3 },
    ],
  },
  invalid_toml: {
    asked: 'POST /v1/jobs',
    detail: 'the body is not TOML: line 2, column 8: this is no value; put text in quotes',
    errors: [
      {
        pointer: '',
        code: 'invalid_toml',
        detail: 'this is no value; put text in quotes',
        line: 2,
      },
    ],
  },
  invalid_query: {
    asked: 'GET /v1/jobs?limit=0',
    detail: '`limit` must be at least 1, not "0"',
    errors: [{ pointer: '/limit', code: 'invalid_value', detail: '`limit` must be at least 1, not "0"' }],
  },
  invalid_header: {
    asked: 'POST /v1/jobs',
    detail:
      'Idempotency-Key must be 1 to 255 visible ASCII characters without spaces; ' +
      'a UUID made by the client for each job is a good one',
  },
  invalid_cursor: {
    asked: 'GET /v1/jobs?cursor=abc',
    detail: 'this cursor was not given by this list; leave it out to start at the beginning',
  },
  invalid_definition: {
    asked: 'POST /v1/jobs',
    detail: '`need` is not a field; did you mean `needs`? (at /steps/1/need)',
    errors: [
      {
        pointer: '/steps/1/need',
        code: 'unknown_field',
        detail: '`need` is not a field; did you mean `needs`?',
      },
    ],
  },
  invalid_body: {
    asked: `POST ${JOB}/cancel`,
    detail: '`why` is not known here; there is `reason`',
    errors: [
      { pointer: '/why', code: 'unknown_field', detail: '`why` is not known here; there is `reason`' },
    ],
  },
  idempotency_conflict: {
    asked: 'POST /v1/jobs',
    detail:
      `the idempotency key "nightly-2026-11-20" belongs to job ${EXAMPLE_JOB_ID}, which was submitted with a ` +
      'different body; use a new key for a new request',
  },
  job_not_found: {
    asked: `GET ${JOB}`,
    detail: `there is no job with the id ${EXAMPLE_JOB_ID}; it may have been deleted`,
  },
  step_not_found: {
    asked: `GET ${JOB}/steps/extrct`,
    detail: 'the job has no step "extrct"; did you mean "extract"?',
  },
  attempt_not_found: {
    asked: `GET ${JOB}/steps/extract/log?attempt=2`,
    detail: 'the step "extract" has not been started yet; leave `attempt` out for the latest',
  },
  problem_not_found: {
    asked: 'GET /problems/job_not_fund',
    detail:
      'there is no problem "job_not_fund"; did you mean /problems/job_not_found? All are at /problems. ' +
      'Codes of steps and jobs are explained in docs/errors.md',
  },
  route_not_found: {
    asked: 'GET /v1/job',
    detail: 'there is nothing at /v1/job; did you mean /v1/jobs? All routes are at /docs',
  },
  method_not_allowed: {
    asked: 'PUT /v1/jobs',
    detail: '/v1/jobs does not take PUT; it takes GET, HEAD, POST',
  },
  job_terminal: {
    asked: `POST ${JOB}/pause`,
    detail: 'the job is cancelled already; only a job that is not over can be paused',
  },
  job_not_terminal: { asked: `DELETE ${JOB}`, detail: 'the job is queued; cancel it first, then delete it' },
  job_not_retryable: {
    asked: `POST ${JOB}/retry`,
    detail: 'the job is queued; only a failed or cancelled job can be retried',
  },
  worker_not_found: {
    asked: 'POST /v1/claims',
    detail: `there is no worker with the id ${EXAMPLE_WORKER_ID}; register with POST /v1/workers`,
  },
  worker_is_server: {
    asked: `DELETE /v1/workers/${EXAMPLE_WORKER_ID}`,
    detail:
      'this is the pool of the server media-3:4711, which comes and goes with it; stop that server instead',
  },
  claim_not_found: {
    asked: `POST /v1/claims/${EXAMPLE_CLAIM_ID}/complete`,
    detail: 'there is no such claim, or its job has been deleted',
  },
  claim_lost: {
    asked: `POST /v1/claims/${EXAMPLE_CLAIM_ID}/complete`,
    detail: 'the claim expired and the step was given to others; drop this result',
    members: { reason: 'expired' },
  },
  claim_settled: {
    asked: `POST /v1/claims/${EXAMPLE_CLAIM_ID}/fail`,
    detail: 'the claim has ended by complete already; what was said first stands',
  },
  expected_offset: {
    asked: `POST /v1/claims/${EXAMPLE_CLAIM_ID}/log?offset=120`,
    detail: 'the log of this attempt ends at 80; send from there',
    members: { expected_offset: 80 },
  },
  too_many_waiting: {
    asked: 'POST /v1/claims',
    detail: '2000 requests for claims wait here already; try again in a second, or at another server',
  },
  payload_too_large: {
    asked: `POST ${JOB}/cancel`,
    detail: 'the body is larger than 1 MiB, the most that this POST takes',
  },
  unsupported_media_type: {
    asked: 'POST /v1/jobs',
    detail:
      'application/x-www-form-urlencoded is a form, which is what curl -d, --data-binary and -F send by themselves; ' +
      "send JSON with -H 'content-type: application/json', or with curl --json @job.json; " +
      "YAML with curl -H 'content-type: application/yaml' --data-binary @job.yaml; " +
      "TOML with curl -H 'content-type: application/toml' --data-binary @job.toml " +
      '(not with -d, which takes out the line breaks)',
  },
  forbidden_host: {
    asked: 'GET /v1/jobs',
    detail:
      'this server is not known as jobs.example:3000; to serve that name, set ALLOWED_HOSTS=jobs.example',
  },
  forbidden_origin: {
    asked: 'GET /v1/jobs',
    detail: 'a page of https://elsewhere.example may not call localhost:3000; call it from outside a browser',
  },
  request_timeout: {
    asked: 'POST /v1/jobs',
    detail: 'the request did not arrive in time; send it again, faster',
  },
  headers_too_large: {
    asked: 'GET /v1/jobs',
    detail: 'the head of the request is more than 16 KiB or 100 headers; send less',
  },
  overloaded: {
    asked: 'POST /v1/jobs',
    detail: '1000 requests wait here for the database already; try again in a second, or at another server',
  },
  database_unavailable: {
    asked: 'GET /v1/jobs',
    detail: 'the database cannot be reached; try again in a second',
  },
  shutting_down: {
    asked: 'GET /v1/jobs',
    detail: 'this server is shutting down; try again, or another one',
  },
  internal_error: {
    asked: 'GET /v1/jobs',
    detail: `this is not your fault; the server's log has more under the request id ${EXAMPLE_REQUEST_ID}`,
  },
};
