import type { IncomingMessage, ServerResponse } from 'node:http';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { Store } from '../database/store.ts';
import type { Offers } from '../domain/blocked-by.ts';
import type { ActionChecks } from '../domain/job-definition/actions.ts';
import type { RemoteDesk } from '../operations/remote-desk.ts';
import type { ProgressReport } from '../operations/report-progress.ts';
import type { JobWaits } from './job-waits.ts';

/** The app as routes see it: their schemas give their types. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  TypeBoxTypeProvider
>;

/** What routes work with. */
export interface RouteContext {
  store: Store;
  /** The same database for what workers say of steps that they hold: before new requests. */
  workers: Store;
  /** The same database over connections of its own, for signs of life. */
  vital: Store;
  /** How long a claim is valid when its request does not say. */
  claimTtlMs: number;
  /** Takes what a worker says of the progress of a step, 0 to 1; the latest is written about once a second. */
  reportProgress(report: ProgressReport): void;
  actionChecks: ActionChecks;
  waits: JobWaits;
  /** Told how many writes were refused because their claim is lost, beside those answered by a problem of their own. */
  staleWrites(count: number): void;
  /** Where steps go out to remote workers. */
  desk: RemoteDesk;
  /** What live workers take at this moment. */
  readOffers(): Promise<Offers>;
}
