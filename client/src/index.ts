import { checkOptions, SERVER_OPTIONS } from './check-options.ts';
import type { Client, ClientOptions } from './client.ts';
import { followCalls } from './follow-job.ts';
import { jobCalls } from './job-calls.ts';
import { serverCalls } from './server-calls.ts';
import { stepCalls } from './step-calls.ts';
import { createTransport } from './transport.ts';

export type {
  CallOptions,
  Client,
  ClientOptions,
  GetOptions,
  LogOptions,
  LogPart,
  SubmitOptions,
  WaitOptions,
  WatchOptions,
} from './client.ts';
export {
  type ClaimEnd,
  ClaimEnded,
  HoldfastError,
  StepError,
  UnreachableError,
  WaitTimeoutError,
} from './errors.ts';
export { isTerminal } from './follow-job.ts';
export type * from './wire.ts';
export { Worker } from './worker.ts';
export type { Action, ActionContext, WorkerEvent, WorkerOptions } from './worker-options.ts';

/** A client of one server, or of several that share a database. It keeps nothing open and needs no closing. */
export function createClient(options: ClientOptions): Client {
  checkOptions(options, { ...SERVER_OPTIONS, timeoutMs: '', patienceMs: '' });
  const transport = createTransport(options);
  return {
    servers: transport.servers,
    ...jobCalls(transport),
    ...followCalls(transport),
    ...stepCalls(transport),
    ...serverCalls(transport),
  };
}
