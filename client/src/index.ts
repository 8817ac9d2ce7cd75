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
export { HoldfastError, StepError, UnreachableError, WaitTimeoutError } from './errors.ts';
export { isTerminal } from './follow-job.ts';
export type * from './wire.ts';
export {
  type Action,
  type ActionContext,
  Worker,
  type WorkerEvent,
  type WorkerOptions,
} from './worker.ts';

/** A client of one server, or of several that share a database. It keeps nothing open and needs no closing. */
export function createClient(options: ClientOptions): Client {
  const transport = createTransport(options);
  return {
    servers: transport.servers,
    ...jobCalls(transport),
    ...followCalls(transport),
    ...stepCalls(transport),
    ...serverCalls(transport),
  };
}
