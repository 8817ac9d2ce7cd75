/** Servers as the model test has them: all of the HTTP API and the desk behind it, but nothing that happens by itself. */
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { createDatabase, createPool } from '../../src/database/connection.ts';
import { createRememberedJobs } from '../../src/database/remembered-jobs.ts';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { createApp } from '../../src/http/app.ts';
import { type ProgressReport, reportProgress } from '../../src/operations/report-progress.ts';
import { startDispatch } from '../../src/scheduler/dispatch.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { type Anything, send } from '../support/api.ts';
import { unreadMetrics } from '../support/metrics.ts';

export interface Told {
  status: number;
  json: Anything;
  headers: Record<string, string | undefined>;
}

export interface ModelServer {
  name: string;
  store: Store;
  /** Asks as a client would; what was reported of progress is written before this returns. */
  call(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: object | string,
    headers?: Record<string, string>,
  ): Promise<Told>;
  close(): Promise<void>;
}

const ACTIONS = { known: new Set<string>(), builtin: new Set<string>(), checkWith: () => [] };

/** A server with connections and wake-ups of its own on the database at `url`. */
export async function startModelServer(url: string, name: string): Promise<ModelServer> {
  const db = createDatabase(
    createPool({ connection: url, max: 6, applicationName: `holdfast test ${name}` }),
  );
  const store: Store = { db, wakeUps: createWakeUps(), remembered: createRememberedJobs(200) };
  const log = createLogger({ level: 'silent', pretty: false });
  // A pool that can run nothing: all steps are for remote workers.
  const settings = { workerId: randomUUID(), slots: 1, queues: null, claimTtlMs: 30_000 };
  const dispatch = startDispatch({ store, vital: store, catalogue: new Map(), settings, log });
  const reports: ProgressReport[] = [];
  const app = createApp({
    ...{ store, vital: store, desk: dispatch.remote, claimTtlMs: 30_000, actionChecks: ACTIONS, actions: [] },
    reportProgress: (report) => void reports.push(report),
    ...{ log, metrics: unreadMetrics(), version: '0.0.0-test' },
    database: { kind: 'external', version: '18.4' },
    ...{
      allowedHosts: [],
      isReady: () => true,
      stopping: new AbortController().signal,
      startedAt: Date.now(),
    },
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  return {
    name,
    store,
    async call(method, url, body, headers = {}) {
      const type = typeof body === 'string' ? { 'content-type': 'text/plain' } : {};
      const options = { headers: { ...type, ...headers }, ...(body === undefined ? {} : { body }) };
      const answer = await send(port, method, url, options);
      if (reports.length > 0) await reportProgress(store, reports.splice(0));
      return answer;
    },
    async close() {
      await dispatch.stop(0);
      await app.close();
      await db.destroy();
    },
  };
}
