import type { Json } from './json.ts';

/** One thing that is wrong in a request: where (a JSON pointer), a stable code, and what to write instead. */
export interface Problem {
  pointer: string;
  code: string;
  detail: string;
  /** The line of the body, from 1, where it stands; absent when it is not known. */
  line?: number;
}

/** An error of a job, a step or an attempt, as it is stored and shown. */
export interface StoredError {
  code: string;
  message: string;
  details?: Json;
}

/** Every way in which a request can end early. `http/problem-details.ts` gives each its status and title. */
export type ErrorCode =
  | 'bad_request'
  | 'invalid_json'
  | 'invalid_yaml'
  | 'invalid_toml'
  | 'invalid_query'
  | 'invalid_header'
  | 'invalid_cursor'
  | 'invalid_definition'
  | 'invalid_body'
  | 'idempotency_conflict'
  | 'job_not_found'
  | 'step_not_found'
  | 'attempt_not_found'
  | 'problem_not_found'
  | 'route_not_found'
  | 'method_not_allowed'
  | 'job_terminal'
  | 'job_not_terminal'
  | 'job_not_retryable'
  | 'worker_not_found'
  | 'worker_is_server'
  | 'claim_not_found'
  | 'claim_lost'
  | 'claim_settled'
  | 'expected_offset'
  | 'too_many_waiting'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'forbidden_host'
  | 'forbidden_origin'
  | 'request_timeout'
  | 'headers_too_large'
  | 'overloaded'
  | 'database_unavailable'
  | 'shutting_down'
  | 'internal_error';

/** What problem documents of a few codes say besides, for programs. */
export interface ProblemMembers {
  /** With `claim_lost`: how the claim ended, as a word. */
  reason?: string;
  /** With `expected_offset`: where the log ends, in bytes. */
  expected_offset?: number;
}

/** "This request ends here": thrown by operations and routes, answered as a problem document. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly errors: Problem[];
  readonly members: ProblemMembers;

  constructor(code: ErrorCode, detail: string, errors: Problem[] = [], members: ProblemMembers = {}) {
    super(detail);
    this.name = 'AppError';
    this.code = code;
    this.errors = errors;
    this.members = members;
  }
}

/** A rule of the engine that does not hold: a bug of ours. The transaction in which it shows must not be committed. */
export class BrokenRule extends Error {
  override readonly name = 'BrokenRule';
}
