// Made by `npm run client:types` from the schemas in src/contract/: change those, not this.

export interface AppendedLog {
  /**
   * Where the next bytes belong.
   */
  next_offset: number;
}
export interface Attempt {
  /**
   * Its number, from 1.
   */
  attempt: number;
  /**
   * How it ended; null while it goes on.
   */
  outcome: 'succeeded' | 'failed' | 'timed_out' | 'lost' | 'released' | 'cancelled' | null;
  /**
   * Why it did not succeed; null when nothing is wrong.
   */
  error: {
    /**
     * Stable code, or the one that the action gave.
     */
    code: string;
    /**
     * What happened.
     */
    message: string;
    /**
     * What the action added.
     */
    details?: unknown;
  } | null;
  /**
   * Id of the worker that ran it.
   */
  worker: string | null;
  /**
   * When it started.
   */
  started_at: string | null;
  /**
   * When it ended; null while it goes on.
   */
  finished_at: string | null;
}
/**
 * Jobs that are stored together: all of them, or none.
 */
export interface BatchDefinition {
  /**
   * The jobs; at most 100000 steps in all of them together.
   *
   * @minItems 1
   * @maxItems 1000
   */
  jobs: JobDefinition[];
}
/**
 * A graph of steps; or, without `steps`, one step.
 */
export interface JobDefinition {
  /**
   * To find the job by; need not be unique.
   */
  name: string;
  /**
   * What expressions read as `input`; at most 262144 bytes.
   */
  input?: unknown;
  /**
   * To find jobs by: `?label=team:data`.
   */
  labels?: {
    [k: string]: string;
  };
  /**
   * The lane for steps that name none. Default "default".
   */
  queue?: string;
  /**
   * Higher goes first. Default 0.
   */
  priority?: number;
  /**
   * Not before this instant: RFC 3339 with an offset. Not together with `delay`.
   */
  run_at?: string;
  /**
   * Not before this much time has passed. Not together with `run_at`. Units `d h m s ms`, such as "1h30m", or whole seconds.
   */
  delay?: string | number;
  /**
   * Of the whole job, from submit or `run_at`. Default "30d". Units `d h m s ms`, such as "1h30m", or whole seconds.
   */
  timeout?: string | number;
  /**
   * How many of its steps may run at once. Default: no limit.
   */
  max_parallel?: number;
  /**
   * True: the first failed step ends the job. Default false.
   */
  fail_fast?: boolean;
  /**
   * What holds for steps that say nothing else.
   */
  defaults?: {
    /**
     * Of one attempt. Units `d h m s ms`, such as "1h30m", or whole seconds.
     */
    timeout?: string | number;
    retry?: RetryDefinition;
  };
  /**
   * The graph, in any order. Left out, the job is one step called `main`, described by the fields below.
   *
   * @minItems 1
   * @maxItems 10000
   */
  steps?: StepDefinition[];
  /**
   * What the job gives once it succeeded, from `steps.<name>.output`.
   */
  output?: unknown;
  /**
   * The action: one of this server, such as `shell`, `value` or `wait`, or a name that a remote worker offers.
   */
  uses?: string;
  /**
   * What the action is given; each action says what it takes. May hold `${{ expression }}`; at most 262144 bytes.
   */
  with?: unknown;
  /**
   * An expression; false skips the step. Without `success()`, `failure()` or `always()` in it the needs must have succeeded.
   */
  if?: string | boolean;
  retry?: RetryDefinition;
  /**
   * True: when the step fails, its dependents and the job take it for succeeded. Default false.
   */
  continue_on_error?: boolean;
}
/**
 * What happens after a failed attempt.
 */
export interface RetryDefinition {
  /**
   * Executions that may fail before the step does, the first included. Default 1.
   */
  max_attempts?: number;
  /**
   * Lost workers in a row that are forgiven. Default 5.
   */
  max_losses?: number;
  /**
   * How the delay grows: doubling, not at all, by `delay` each time. Default "exponential".
   */
  backoff?: 'exponential' | 'fixed' | 'linear';
  /**
   * The first delay. Default "1s". Units `d h m s ms`, such as "1h30m", or whole seconds.
   */
  delay?: string | number;
  /**
   * The longest delay. Default "5m". Units `d h m s ms`, such as "1h30m", or whole seconds.
   */
  max_delay?: string | number;
  /**
   * True: each delay is drawn from its upper half, so that retries spread. Default true.
   */
  jitter?: boolean;
}
export interface StepDefinition {
  /**
   * Unique within the job; expressions call the step by it.
   */
  name: string;
  /**
   * Steps that must end before this one may start.
   */
  needs?: string[];
  /**
   * The same from the other side: steps that need this one.
   */
  enables?: string[];
  /**
   * An expression; false skips the step. Without `success()`, `failure()` or `always()` in it the needs must have succeeded.
   */
  if?: string | boolean;
  /**
   * The action: one of this server, such as `shell`, `value` or `wait`, or a name that a remote worker offers.
   */
  uses: string;
  /**
   * What the action is given; each action says what it takes. May hold `${{ expression }}`; at most 262144 bytes.
   */
  with?: unknown;
  /**
   * The lane it waits in. Default: that of the job.
   */
  queue?: string;
  /**
   * Of one attempt. Default "1d". Units `d h m s ms`, such as "1h30m", or whole seconds.
   */
  timeout?: string | number;
  retry?: RetryDefinition;
  /**
   * True: when the step fails, its dependents and the job take it for succeeded. Default false.
   */
  continue_on_error?: boolean;
}
export interface BlockedBy {
  /**
   * What holds the step.
   */
  code: 'needs' | 'paused' | 'run_at' | 'max_parallel' | 'retry_delay' | 'timer' | 'no_worker' | 'busy';
  /**
   * The same in words, with what to do where something can be done.
   */
  message: string;
}
export interface CheckedJob {
  definition: JobDefinition;
  /**
   * The names of the steps by levels: those of the first need nothing, those of each other one need a step of the one before it.
   */
  plan: string[][];
  /**
   * What may not be as you meant it.
   */
  warnings: ProblemEntry[];
}
export interface ProblemEntry {
  /**
   * JSON pointer into the body, or `/` and the name of a query parameter.
   */
  pointer: string;
  /**
   * Stable code of this entry.
   */
  code: string;
  /**
   * What is wrong and what to write instead.
   */
  detail: string;
  /**
   * The line of the body on which it stands, or on which stands what should hold it; only for bodies of several lines.
   */
  line?: number;
}
export interface Claim {
  /**
   * Id of the claim: one opaque string, which fences every write about it.
   */
  id: string;
  /**
   * Id of the job.
   */
  job_id: string;
  /**
   * Name of the job.
   */
  job_name: string;
  /**
   * Name of the step.
   */
  step: string;
  /**
   * The action to run.
   */
  uses: string;
  /**
   * The queue it came from.
   */
  queue: string;
  /**
   * What the action is given, its expressions evaluated.
   */
  with: unknown;
  /**
   * Number of this attempt, from 1.
   */
  attempt: number;
  /**
   * How many failures fail the step.
   */
  max_attempts: number;
  /**
   * When the claim expires unless it is extended, by the clock of the database.
   */
  expires_at: string;
  /**
   * The same in milliseconds from the moment of the answer: needs no clock in common.
   */
  expires_in_ms: number;
  /**
   * Milliseconds until the attempt's time is over, extended or not.
   */
  deadline_in_ms: number;
  /**
   * The labels of the job.
   */
  labels: {
    [k: string]: string;
  };
  /**
   * W3C trace context: the one that the job was submitted with, or one made of the id of the job.
   */
  traceparent: string;
}
export interface ClaimList {
  /**
   * The claims; empty when nothing became ready in time.
   */
  data: Claim[];
  /**
   * `run`: go on. `drain`: claim no more, end what runs, then leave. `stop`: somebody removed the worker; end now.
   */
  command: 'run' | 'drain' | 'stop';
}
/**
 * What is absent of `uses` and `queues` is as the worker was registered.
 */
export interface ClaimRequest {
  /**
   * Id that `POST /v1/workers` gave.
   */
  worker_id: string;
  /**
   * Made by the worker, new for each request. Sent again after an answer that got lost, it gives the same claims, as far as they still run.
   */
  request_id?: string;
  /**
   * The actions that the worker offers, as steps name them in `uses`.
   *
   * @minItems 1
   * @maxItems 100
   *
   * Items: The name of an action: lowercase letters, digits and `._/-`, a letter or digit first.
   */
  uses?: string[];
  /**
   * The queues that it takes steps from.
   *
   * @minItems 1
   * @maxItems 100
   *
   * Items: The name of a queue: letters, digits and `._/-`, a letter, digit or `_` first.
   */
  queues?: string[];
  /**
   * How many claims at most; 1 when absent.
   */
  max?: number;
  /**
   * How long the claim is valid without being extended; 1s to 1h. Units `d h m s ms`, such as "1h30m", or whole seconds.
   */
  ttl?: string | number;
  /**
   * How long to wait for a step to become ready, at most 60s; not at all when absent. Units `d h m s ms`, such as "1h30m", or whole seconds.
   */
  wait?: string | number;
}
export interface CleanupQuery {
  /**
   * how many days a job that is over is kept, 1 to 3650
   */
  days: number;
  /**
   * Only jobs in one of these; repeat it for more. All three when absent.
   *
   * Items: A terminal status.
   */
  status?: ('succeeded' | 'failed' | 'cancelled')[];
  /**
   * True: only say what would be deleted.
   */
  dry_run: boolean;
}
export interface CleanupReport {
  /**
   * What was done, for people.
   */
  message: string;
  /**
   * Jobs deleted, or that would be deleted when `dry_run` was given.
   */
  deleted_count: number;
  /**
   * The `days` that were asked for.
   */
  retention_days: number;
  /**
   * True when time ran out before all were deleted: call again.
   */
  more: boolean;
}
export interface CompleteClaim {
  /**
   * What the step gives to those that need it; null when absent.
   */
  output?: unknown;
}
export interface DeletedJob {
  /**
   * What was done, for people.
   */
  message: string;
  /**
   * The job that is gone.
   */
  job_id: string;
}
/**
 * Nothing, `{}`, or what is to be changed.
 */
export interface ExtendClaim {
  /**
   * How long the claim is valid without being extended; 1s to 1h. Units `d h m s ms`, such as "1h30m", or whole seconds.
   */
  ttl?: string | number;
  /**
   * How much of the step is done, 0 to 1; shown at most about once a second.
   */
  progress?: number;
}
export interface ExtendClaims {
  /**
   * The claims to extend, and only those.
   *
   * @maxItems 1000
   */
  claims: {
    /**
     * Id of the claim: one opaque string, which fences every write about it.
     */
    id: string;
    /**
     * How long the claim is valid without being extended; 1s to 1h. Units `d h m s ms`, such as "1h30m", or whole seconds.
     */
    ttl?: string | number;
    /**
     * How much of the step is done, 0 to 1; shown at most about once a second.
     */
    progress?: number;
  }[];
}
export interface ExtendedClaim {
  /**
   * Id of the claim: one opaque string, which fences every write about it.
   */
  id: string;
  /**
   * `continue`: it is yours. `cancel`: the job was cancelled; stop. `lost`: somebody else may have it; stop.
   */
  action: 'continue' | 'cancel' | 'lost';
  /**
   * Milliseconds until the claim expires; 0 unless `continue`.
   */
  expires_in_ms: number;
}
export interface ExtendedClaimList {
  /**
   * In the order of the request.
   */
  data: ExtendedClaim[];
}
export interface FailClaim {
  /**
   * Why the attempt failed.
   */
  error: {
    /**
     * A stable word for the kind of error; `failed` when absent.
     */
    code?: string;
    /**
     * What happened, for people.
     */
    message: string;
    /**
     * Anything more, for programs.
     */
    details?: unknown;
  };
  /**
   * False: another attempt would not help, the step fails at once. True when absent.
   */
  retryable?: boolean;
  /**
   * At least so long until the next attempt. Units `d h m s ms`, such as "1h30m", or whole seconds.
   */
  retry_after?: string | number;
}
export interface Health {
  /**
   * `ok` when every check is.
   */
  status: 'ok' | 'unavailable';
  /**
   * Jobs kept: exact up to 10,000, beyond that the database's estimate; null while it is away.
   */
  jobs_count: number | null;
  database: {
    /**
     * Who runs the database.
     */
    kind: 'embedded' | 'external';
    /**
     * Version of PostgreSQL.
     */
    version: string;
    /**
     * Whether it answers.
     */
    ok: boolean;
  };
  /**
   * Version of Holdfast.
   */
  version: string;
  /**
   * Milliseconds since this server started.
   */
  uptime_ms: number;
  /**
   * Each part of this server.
   */
  checks: {
    [k: string]: {
      /**
       * Whether this part works.
       */
      ok: boolean;
      /**
       * The same in words.
       */
      detail: string;
    };
  };
}
export interface Heartbeat {
  /**
   * The claims to extend, each by the ttl it was made with. Those not listed are not extended.
   *
   * @maxItems 1000
   */
  claims?: {
    /**
     * Id of the claim: one opaque string, which fences every write about it.
     */
    id: string;
    /**
     * How much of the step is done.
     */
    progress?: number;
  }[];
}
export interface HeartbeatAnswer {
  /**
   * `run`: go on. `drain`: claim no more, end what runs, then leave. `stop`: somebody removed the worker; end now.
   */
  command: 'run' | 'drain' | 'stop';
  /**
   * In the order of the request.
   */
  claims: {
    /**
     * Id of the claim: one opaque string, which fences every write about it.
     */
    id: string;
    /**
     * As an extend answers.
     */
    action: 'continue' | 'cancel' | 'lost';
    /**
     * Milliseconds until the claim expires; 0 unless `continue`.
     */
    expires_in_ms: number;
  }[];
}
export interface Job {
  /**
   * UUIDv7.
   */
  id: string;
  /**
   * As submitted.
   */
  name: string;
  /**
   * Where the job is.
   */
  status: 'scheduled' | 'queued' | 'running' | 'paused' | 'succeeded' | 'failed' | 'cancelled';
  /**
   * Why it is there; null when there is nothing to say.
   */
  reason: string | null;
  /**
   * Grows by one whenever anything visible in the job changes; the ETag.
   */
  version: number;
  /**
   * Higher goes first.
   */
  priority: number;
  /**
   * As submitted.
   */
  labels: {
    [k: string]: string;
  };
  /**
   * As submitted; null when there was none.
   */
  input: unknown;
  /**
   * What `output` of the definition evaluated to; null until the job succeeded.
   */
  output: unknown;
  /**
   * Why it did not succeed; null when nothing is wrong.
   */
  error: {
    /**
     * Stable code, or the one that the action gave.
     */
    code: string;
    /**
     * What happened.
     */
    message: string;
    /**
     * What the action added.
     */
    details?: unknown;
  } | null;
  /**
   * Terminal steps plus the reported progress of running ones, over all; never falls while the job runs. A job that is cancelled or times out keeps what it had made.
   */
  progress: number;
  /**
   * How many steps are where.
   */
  steps: {
    /**
     * All steps.
     */
    total: number;
    /**
     * Held back by something.
     */
    pending: number;
    /**
     * A worker may take them now.
     */
    ready: number;
    /**
     * Being run.
     */
    running: number;
    /**
     * For a retry delay or a timer.
     */
    waiting: number;
    /**
     * Ended well.
     */
    succeeded: number;
    /**
     * Ended badly.
     */
    failed: number;
    /**
     * Never ran: a need did not succeed, or their `if` was false.
     */
    skipped: number;
    /**
     * Stopped with the job.
     */
    cancelled: number;
    /**
     * With `include=steps`: the steps, up to 500 of them.
     */
    data?: Step[];
    /**
     * Give it as `cursor` to get the next page; null on the last one.
     */
    next_cursor?: string | null;
  };
  /**
   * When it was submitted.
   */
  created_at: string;
  /**
   * Not to be started before this; null when it may start at once.
   */
  run_at: string | null;
  /**
   * When its first step was claimed.
   */
  started_at: string | null;
  /**
   * When it reached a terminal status.
   */
  finished_at: string | null;
  /**
   * Milliseconds since it started, frozen once it is terminal; null before.
   */
  elapsed_ms: number | null;
  /**
   * Milliseconds to go at the pace so far; 0 once succeeded, null when unknown.
   */
  estimated_remaining_ms: number | null;
  /**
   * Only in the answer to a submit: what may not be as you meant it.
   */
  warnings?: ProblemEntry[];
}
export interface Step {
  /**
   * Unique within the job.
   */
  name: string;
  /**
   * Where the step is.
   */
  status: 'pending' | 'ready' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'skipped' | 'cancelled';
  /**
   * Why it is there, as a word; null when there is nothing to say.
   */
  reason: string | null;
  /**
   * The action.
   */
  uses: string;
  /**
   * The lane it waits in.
   */
  queue: string;
  /**
   * Names of the steps that must end before this one may start.
   */
  needs: string[];
  /**
   * Number of the current or last attempt; 0 before the first. Never goes back.
   */
  attempt: number;
  /**
   * Attempts that failed or timed out since submit or the last retry by hand.
   */
  failures: number;
  /**
   * Attempts in a row whose worker was lost.
   */
  losses: number;
  /**
   * How many failures fail the step.
   */
  max_attempts: number;
  /**
   * What the action reported; 1 once succeeded.
   */
  progress: number | null;
  /**
   * What the action gave; null unless the step succeeded.
   */
  output: unknown;
  /**
   * Why it did not succeed; null when nothing is wrong.
   */
  error: {
    /**
     * Stable code, or the one that the action gave.
     */
    code: string;
    /**
     * What happened.
     */
    message: string;
    /**
     * What the action added.
     */
    details?: unknown;
  } | null;
  /**
   * Id of the worker that runs it now.
   */
  claimed_by: string | null;
  /**
   * The version of the job at which this step last changed.
   */
  version: number;
  /**
   * When it last became ready.
   */
  ready_at: string | null;
  /**
   * When its last attempt started.
   */
  started_at: string | null;
  /**
   * When it reached a terminal status.
   */
  finished_at: string | null;
  /**
   * When its retry delay or timer is over; null unless waiting.
   */
  wake_at: string | null;
  /**
   * What keeps it from running; empty when it runs or is over.
   */
  blocked_by: BlockedBy[];
}
export interface JobBatch {
  /**
   * The jobs in the order of the batch. When an earlier request with the same key made them, those that were not deleted since.
   */
  data: Job[];
}
export interface JobList {
  /**
   * Newest first.
   */
  data: Job[];
  /**
   * Give it as `cursor` to get the next page; null on the last one.
   */
  next_cursor: string | null;
  /**
   * With `include=total`: how many jobs the filters admit.
   */
  total?: number;
}
export interface ListJobsQuery {
  /**
   * Only jobs in one of these; repeat it for more.
   *
   * Items: A status.
   */
  status?: ('scheduled' | 'queued' | 'running' | 'paused' | 'succeeded' | 'failed' | 'cancelled')[];
  /**
   * Only jobs of exactly this name.
   */
  name?: string;
  /**
   * Only jobs with this label, as `key:value`; repeat it for jobs that have all of them.
   */
  label?: string[];
  /**
   * Only jobs submitted after this instant, RFC 3339 with an offset.
   */
  created_after?: string;
  /**
   * Only jobs submitted before this instant, RFC 3339 with an offset.
   */
  created_before?: string;
  /**
   * Most entries on the page; there may be fewer when they are large.
   */
  limit: number;
  /**
   * `next_cursor` of the page before.
   */
  cursor?: string;
  /**
   * `total`: also how many jobs there are in all; that takes a while.
   */
  include?: 'total';
}
export interface ListStepsQuery {
  /**
   * Only steps in one of these; repeat it for more.
   *
   * Items: A status.
   */
  status?: ('pending' | 'ready' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'skipped' | 'cancelled')[];
  /**
   * Most entries on the page; there may be fewer when they are large.
   */
  limit: number;
  /**
   * `next_cursor` of the page before.
   */
  cursor?: string;
}
export interface ListWorkersQuery {
  /**
   * Only workers in one of these; repeat it for more.
   *
   * Items: A status.
   */
  status?: ('live' | 'draining' | 'gone')[];
  /**
   * Most entries on the page.
   */
  limit: number;
  /**
   * `next_cursor` of the page before.
   */
  cursor?: string;
}
export interface Probe {
  /**
   * `ok`, or why not in one word.
   */
  status: 'ok' | 'unavailable';
}
export interface Problem {
  /**
   * Names the kind of problem, one for each code, and leads to a page about it.
   */
  type: string;
  /**
   * The kind of problem in a few words, always the same for a code.
   */
  title: string;
  /**
   * The HTTP status, again.
   */
  status: number;
  /**
   * What happened and what to do.
   */
  detail: string;
  /**
   * Stable code; branch on this.
   */
  code: string;
  /**
   * The path that was asked for.
   */
  instance: string;
  /**
   * Also in the header `x-request-id` and in the server's log.
   */
  request_id: string;
  /**
   * With `claim_lost`: how the claim ended, as a word.
   */
  reason?: string;
  /**
   * With `expected_offset`: where the log of the attempt ends.
   */
  expected_offset?: number;
  /**
   * Each thing that is wrong, at most 100; empty when `detail` says it all.
   */
  errors: ProblemEntry[];
}
export interface RegisteredWorker {
  /**
   * Given by the server.
   */
  id: string;
  /**
   * For people.
   */
  name: string;
  /**
   * `server`: the pool of a server itself.
   */
  kind: 'server' | 'remote';
  /**
   * `live`: heard of lately. `draining`: takes no more steps. `gone`: silent; its claims expire by themselves.
   */
  status: 'live' | 'draining' | 'gone';
  /**
   * The actions that it offers.
   */
  uses: string[];
  /**
   * The queues that it takes steps from; null: every queue.
   */
  queues: string[] | null;
  /**
   * How many steps it runs at once.
   */
  slots: number;
  /**
   * How many steps it holds a claim on now.
   */
  running: number;
  /**
   * Of its program; empty when it said nothing.
   */
  version: string;
  /**
   * As registered.
   */
  labels: {
    [k: string]: string;
  };
  /**
   * When it was registered.
   */
  started_at: string;
  /**
   * When it was last heard of.
   */
  last_seen_at: string;
  /**
   * Send a heartbeat so often.
   */
  heartbeat_interval_ms: number;
  /**
   * How long a claim is valid when the request names no `ttl`.
   */
  claim_ttl_ms: number;
  /**
   * The longest `wait` of a claim request.
   */
  wait_max_ms: number;
}
export interface ReleaseClaim {
  /**
   * At least so long until anybody gets the step again. Units `d h m s ms`, such as "1h30m", or whole seconds.
   */
  delay?: string | number;
}
export interface RemovedWorker {
  /**
   * What was done.
   */
  message: string;
  /**
   * Id of the worker.
   */
  worker_id: string;
  /**
   * How many steps it held and were given back, uncharged.
   */
  released: number;
}
export interface SettleClaims {
  /**
   * How attempts ended.
   *
   * @maxItems 1000
   *
   * Items: With `error` the attempt failed, with `release` it is given back, else it succeeded.
   */
  outcomes: {
    /**
     * Id of the claim: one opaque string, which fences every write about it.
     */
    id: string;
    /**
     * What the step gives to those that need it; null when absent.
     */
    output?: unknown;
    /**
     * Why the attempt failed.
     */
    error?: {
      /**
       * A stable word for the kind of error; `failed` when absent.
       */
      code?: string;
      /**
       * What happened, for people.
       */
      message: string;
      /**
       * Anything more, for programs.
       */
      details?: unknown;
    };
    /**
     * False: another attempt would not help, the step fails at once. True when absent.
     */
    retryable?: boolean;
    /**
     * At least so long until the next attempt. Units `d h m s ms`, such as "1h30m", or whole seconds.
     */
    retry_after?: string | number;
    /**
     * True: give the step back, uncharged.
     */
    release?: boolean;
    /**
     * At least so long until anybody gets the step again. Units `d h m s ms`, such as "1h30m", or whole seconds.
     */
    delay?: string | number;
  }[];
  claim?: ClaimRequest;
}
export interface SettledClaim {
  /**
   * Id of the claim: one opaque string, which fences every write about it.
   */
  id: string;
  /**
   * `retrying`: the attempt failed, and the step gets another. `released`: it was given back, uncharged.
   */
  outcome: 'succeeded' | 'failed' | 'retrying' | 'released';
  /**
   * Milliseconds until the step may be taken again; absent when at once.
   */
  retry_in_ms?: number;
}
export interface SettledClaimList {
  /**
   * In the order of the request; each for itself.
   */
  data: {
    /**
     * Id of the claim: one opaque string, which fences every write about it.
     */
    id: string;
    /**
     * What the single call would have answered with: 200, 404, 409 or 422.
     */
    status: number;
    /**
     * The code of the problem, unless 200.
     */
    code?: string;
    /**
     * The same in words.
     */
    detail?: string;
    /**
     * `retrying`: the attempt failed, and the step gets another. `released`: it was given back, uncharged.
     */
    outcome?: 'succeeded' | 'failed' | 'retrying' | 'released';
    /**
     * Milliseconds until the step may be taken again; absent when at once.
     */
    retry_in_ms?: number;
  }[];
  /**
   * The next claims, if any were asked for.
   */
  claims: Claim[];
  /**
   * `run`: go on. `drain`: claim no more, end what runs, then leave. `stop`: somebody removed the worker; end now.
   */
  command?: 'run' | 'drain' | 'stop';
}
export interface StepDetail {
  /**
   * Unique within the job.
   */
  name: string;
  /**
   * Where the step is.
   */
  status: 'pending' | 'ready' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'skipped' | 'cancelled';
  /**
   * Why it is there, as a word; null when there is nothing to say.
   */
  reason: string | null;
  /**
   * The action.
   */
  uses: string;
  /**
   * The lane it waits in.
   */
  queue: string;
  /**
   * Names of the steps that must end before this one may start.
   */
  needs: string[];
  /**
   * Number of the current or last attempt; 0 before the first. Never goes back.
   */
  attempt: number;
  /**
   * Attempts that failed or timed out since submit or the last retry by hand.
   */
  failures: number;
  /**
   * Attempts in a row whose worker was lost.
   */
  losses: number;
  /**
   * How many failures fail the step.
   */
  max_attempts: number;
  /**
   * What the action reported; 1 once succeeded.
   */
  progress: number | null;
  /**
   * What the action gave; null unless the step succeeded.
   */
  output: unknown;
  /**
   * Why it did not succeed; null when nothing is wrong.
   */
  error: {
    /**
     * Stable code, or the one that the action gave.
     */
    code: string;
    /**
     * What happened.
     */
    message: string;
    /**
     * What the action added.
     */
    details?: unknown;
  } | null;
  /**
   * Id of the worker that runs it now.
   */
  claimed_by: string | null;
  /**
   * The version of the job at which this step last changed.
   */
  version: number;
  /**
   * When it last became ready.
   */
  ready_at: string | null;
  /**
   * When its last attempt started.
   */
  started_at: string | null;
  /**
   * When it reached a terminal status.
   */
  finished_at: string | null;
  /**
   * When its retry delay or timer is over; null unless waiting.
   */
  wake_at: string | null;
  /**
   * What keeps it from running; empty when it runs or is over.
   */
  blocked_by: BlockedBy[];
  /**
   * What the definition gives the action, before its expressions are evaluated.
   */
  with: unknown;
  /**
   * Every attempt, oldest first, the current one included.
   */
  attempts: Attempt[];
}
export interface StepList {
  /**
   * In the order of the definition.
   */
  data: Step[];
  /**
   * Give it as `cursor` to get the next page; null on the last one.
   */
  next_cursor: string | null;
}
export interface WorkerEntry {
  /**
   * Given by the server.
   */
  id: string;
  /**
   * For people.
   */
  name: string;
  /**
   * `server`: the pool of a server itself.
   */
  kind: 'server' | 'remote';
  /**
   * `live`: heard of lately. `draining`: takes no more steps. `gone`: silent; its claims expire by themselves.
   */
  status: 'live' | 'draining' | 'gone';
  /**
   * The actions that it offers.
   */
  uses: string[];
  /**
   * The queues that it takes steps from; null: every queue.
   */
  queues: string[] | null;
  /**
   * How many steps it runs at once.
   */
  slots: number;
  /**
   * How many steps it holds a claim on now.
   */
  running: number;
  /**
   * Of its program; empty when it said nothing.
   */
  version: string;
  /**
   * As registered.
   */
  labels: {
    [k: string]: string;
  };
  /**
   * When it was registered.
   */
  started_at: string;
  /**
   * When it was last heard of.
   */
  last_seen_at: string;
}
export interface WorkerList {
  /**
   * Those that live first, newest first.
   */
  data: WorkerEntry[];
  /**
   * Give it as `cursor` to get the next page; null on the last one.
   */
  next_cursor: string | null;
}
export interface WorkerRegistration {
  /**
   * For people: which program on which machine.
   */
  name: string;
  /**
   * The actions that the worker offers, as steps name them in `uses`.
   *
   * @minItems 1
   * @maxItems 100
   *
   * Items: The name of an action: lowercase letters, digits and `._/-`, a letter or digit first.
   */
  uses: string[];
  /**
   * The queues that it takes steps from; every queue when absent.
   *
   * @minItems 1
   * @maxItems 100
   *
   * Items: The name of a queue: letters, digits and `._/-`, a letter, digit or `_` first.
   */
  queues?: string[];
  /**
   * How many steps it runs at once; 1 when absent.
   */
  slots?: number;
  /**
   * Of its program.
   */
  version?: string;
  /**
   * Anything else, for people; up to 32.
   */
  labels?: {
    [k: string]: string;
  };
}
