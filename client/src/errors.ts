import type { Problem } from './wire.ts';

/** An answer that is no success: a problem document (RFC 9457) as the server sent it. */
export class HoldfastError extends Error {
  override readonly name = 'HoldfastError';
  /** The HTTP status. */
  readonly status: number;
  /** Stable; branch on this: `job_not_found`, `invalid_definition`, `claim_lost`, … */
  readonly code: string;
  /** What happened and what to do. The same as `message`. */
  readonly detail: string;
  /** Each thing that is wrong: a JSON pointer into what was sent, a code, and what to write instead. */
  readonly errors: Problem['errors'];
  /** Names the request in the server's log; empty when what answered is no Holdfast. */
  readonly requestId: string;
  /** The whole document. */
  readonly problem: Partial<Problem>;
  /** Milliseconds after which the server wants to be asked again; null when it says nothing. */
  readonly retryAfterMs: number | null;

  constructor(status: number, problem: Partial<Problem>, retryAfterMs: number | null = null) {
    const detail = problem.detail ?? `the server answered ${status}`;
    super(detail);
    this.status = status;
    this.code = problem.code ?? 'http_error';
    this.detail = detail;
    this.errors = problem.errors ?? [];
    this.requestId = problem.request_id ?? '';
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * No server answered in time, or what they answered could not be read. Whether what was asked for happened is not
 * known; with calls that may be repeated it was tried again for as long as the client's patience lasts.
 */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
  /** Where it was tried. */
  readonly servers: readonly string[];
  /** False: no connection came about, so that surely nothing was done. */
  readonly sent: boolean;

  constructor(
    message: string,
    servers: readonly string[],
    options: { sent?: boolean; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.servers = servers;
    this.sent = options.sent ?? true;
  }
}

/** `wait` ended before the job did. */
export class WaitTimeoutError extends Error {
  override readonly name = 'WaitTimeoutError';
  readonly jobId: string;

  constructor(jobId: string, timeoutMs: number, cause?: unknown) {
    super(`the job ${jobId} did not end within ${timeoutMs} ms`, { cause });
    this.jobId = jobId;
  }
}

/** How an action says more about its failure than that it failed: `throw new StepError('no such image', {…})`. */
export class StepError extends Error {
  override readonly name = 'StepError';
  /** A stable word for the kind of error; `failed` when absent. */
  readonly code: string;
  /** False: another attempt would not help, so the step fails at once. */
  readonly retryable: boolean;
  /** At least so long until the next attempt: `"10s"`, or whole seconds. */
  readonly retryAfter: string | number | undefined;
  /** Anything more, for programs; any JSON. */
  readonly details: unknown;

  constructor(message: string, options: StepErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code ?? 'failed';
    this.retryable = options.retryable ?? true;
    this.retryAfter = options.retryAfter;
    this.details = options.details;
  }
}

export interface StepErrorOptions {
  code?: string;
  retryable?: boolean;
  retryAfter?: string | number;
  details?: unknown;
  cause?: unknown;
}

/** Why a claim ended before its step did. */
export type ClaimEnd = 'cancelled' | 'lost' | 'expired' | 'timed_out' | 'stopping';

/** What the `signal` of an action is aborted with. */
export class ClaimEnded extends Error {
  override readonly name = 'ClaimEnded';
  /**
   * `cancelled`: the job was. `lost`: the server gave the step back, or does not know the job any more. `expired`: no
   * server could be told in time that it goes on. `timed_out`: the time of the attempt, or of the job, is over.
   * `stopping`: this worker has to end.
   */
  readonly reason: ClaimEnd;

  constructor(reason: ClaimEnd, message: string) {
    super(message);
    this.reason = reason;
  }
}
