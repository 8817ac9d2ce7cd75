import type {
  BatchDefinition,
  CheckedJob,
  CleanupQuery,
  CleanupReport,
  DeletedJob,
  Health,
  Job,
  JobBatch,
  JobDefinition,
  JobList,
  ListJobsQuery,
  ListStepsQuery,
  ListWorkersQuery,
  RemovedWorker,
  Step,
  StepDetail,
  StepList,
  WorkerEntry,
  WorkerList,
} from './wire.ts';

export interface ClientOptions {
  /** Where the server is, such as `http://127.0.0.1:3000`; of several, one is used until it does not answer. */
  server: string | readonly string[];
  /** Instead of the global `fetch`. */
  fetch?: typeof fetch;
  /** Sent with every request. */
  headers?: Record<string, string>;
  /** How long one answer may take, besides what it was asked to wait. Milliseconds; 30000 when absent. */
  timeoutMs?: number;
  /** How long to go on trying while no server answers. Milliseconds; 10000 when absent, 0: try once. */
  patienceMs?: number;
}

/** What every call takes: ends it early, with the signal's reason as the error. */
export interface CallOptions {
  signal?: AbortSignal;
}

export interface SubmitOptions extends CallOptions {
  /** Made at random when absent, so that trying again never makes a second job. */
  idempotencyKey?: string;
  /** Wait for the end of the job; the answer is the job as it then is. Milliseconds, up to 60000. */
  waitMs?: number;
  /** Of a definition that is text: `application/json` when absent, `application/yaml`, `application/toml`. */
  contentType?: string;
}

export interface GetOptions extends CallOptions {
  /** Wait for the end of the job (of `getChanged`: for a change of it), at most so long. Milliseconds, up to 60000. */
  waitMs?: number;
  /** Also the steps, under `steps.data`; up to 500 of them. */
  includeSteps?: boolean;
}

export interface WaitOptions extends CallOptions {
  /** Milliseconds; for ever when absent. */
  timeoutMs?: number;
}

export interface WatchOptions extends CallOptions {
  /** Also the steps, under `steps.data`; up to 500 of them. */
  includeSteps?: boolean;
}

export interface LogOptions extends CallOptions {
  /** Which attempt; the latest when absent. */
  attempt?: number;
  /** Bytes to leave out at the beginning: `nextOffset` of the part before, to go on. */
  offset?: number;
}

/** A part of the log of a step. */
export interface LogPart {
  bytes: Uint8Array;
  /** The same as text. */
  text: string;
  /** Whose log it is; 0 before the first attempt. */
  attempt: number;
  /** Whether that attempt is over; there may still be a little more to come within 10 s. */
  ended: boolean;
  nextOffset: number;
}

/** What a server can be asked. Every method throws `HoldfastError` for a refusal, `UnreachableError` for no answer. */
export interface Client {
  /** The servers, as they are asked, without a slash at the end. */
  readonly servers: readonly string[];

  /** Stores a job: a definition, or its text with `contentType`. Safe to repeat. */
  submit(definition: JobDefinition | string | Uint8Array, options?: SubmitOptions): Promise<Job>;
  /** Stores up to 1,000 jobs, all of them or none. Safe to repeat. */
  submitBatch(
    jobs: BatchDefinition['jobs'],
    options?: Omit<SubmitOptions, 'waitMs' | 'contentType'>,
  ): Promise<JobBatch>;
  /** Says what would be stored, and stores nothing. */
  validate(
    definition: JobDefinition | string | Uint8Array,
    options?: CallOptions & { contentType?: string },
  ): Promise<CheckedJob>;

  get(id: string, options?: GetOptions): Promise<Job>;
  /** The job if it is not at this `version` any more, else null; with `waitMs` it waits for that. */
  getChanged(id: string, version: number, options?: GetOptions): Promise<Job | null>;
  /** Waits until the job is terminal, through restarts of the server. Throws `WaitTimeoutError`. */
  wait(id: string, options?: WaitOptions): Promise<Job>;
  /** The job as it is, then again after every change, until it is terminal; versions in between may be left out. */
  watch(id: string, options?: WatchOptions): AsyncIterableIterator<Job>;
  /** A page of jobs, newest first. */
  list(query?: Partial<ListJobsQuery>, options?: CallOptions): Promise<JobList>;
  /** All jobs that the query admits, page by page as they are asked for. */
  listAll(query?: Partial<ListJobsQuery>, options?: CallOptions): AsyncIterableIterator<Job>;
  /** The normalised definition, ready to be submitted again. */
  definition(id: string, options?: CallOptions): Promise<JobDefinition>;

  /** A page of steps, in the order of the definition. */
  steps(id: string, query?: Partial<ListStepsQuery>, options?: CallOptions): Promise<StepList>;
  allSteps(id: string, query?: Partial<ListStepsQuery>, options?: CallOptions): AsyncIterableIterator<Step>;
  /** One step, with what it was given and its attempts. */
  step(id: string, name: string, options?: CallOptions): Promise<StepDetail>;
  /** What an attempt of a step wrote so far, from `offset` on. */
  log(id: string, name: string, options?: LogOptions): Promise<LogPart>;
  /**
   * What a step writes, as it comes: ends with the attempt when `attempt` is given, else with the step, going on
   * from attempt to attempt.
   */
  followLog(id: string, name: string, options?: LogOptions): AsyncIterableIterator<LogPart>;
  /** What all steps wrote so far, each line with the name of its step. */
  jobLog(id: string, options?: CallOptions): Promise<string>;

  cancel(id: string, reason?: string, options?: CallOptions): Promise<Job>;
  pause(id: string, options?: CallOptions): Promise<Job>;
  resume(id: string, options?: CallOptions): Promise<Job>;
  /**
   * Opens a failed or cancelled job again. Sent once more only when the first request surely did nothing: after an
   * answer that got lost the job is looked at, and `UnreachableError` thrown when it does not show a retry.
   */
  retry(id: string, options?: CallOptions): Promise<Job>;
  /** Deletes a job that is over. */
  remove(id: string, options?: CallOptions): Promise<DeletedJob>;
  /** Deletes jobs that ended more than `days` days ago; `more` in the answer says whether to call again. */
  cleanup(
    query: Pick<CleanupQuery, 'days'> & Partial<CleanupQuery>,
    options?: CallOptions,
  ): Promise<CleanupReport>;

  workers(query?: Partial<ListWorkersQuery>, options?: CallOptions): Promise<WorkerList>;
  allWorkers(query?: Partial<ListWorkersQuery>, options?: CallOptions): AsyncIterableIterator<WorkerEntry>;
  /** Lets a worker end what it runs, and take no more. */
  drainWorker(id: string, options?: CallOptions): Promise<WorkerEntry>;
  /** Takes a worker off the list; what it holds is given back, uncharged. */
  removeWorker(id: string, options?: CallOptions): Promise<RemovedWorker>;

  /** Also when the server is not well: `status` says so. */
  health(options?: CallOptions): Promise<Health>;
}
