import type { Client, ClientOptions } from './client.ts';

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
export type * from './wire.ts';
export {
  type Action,
  type ActionContext,
  Worker,
  type WorkerEvent,
  type WorkerOptions,
} from './worker.ts';

/** A client of one server, or of several that share a database. It keeps nothing open and needs no closing. */
export function createClient(_options: ClientOptions): Client {
  throw new Error('not yet');
}

/** Whether a job of this status is over. */
export function isTerminal(status: string): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'cancelled';
}
