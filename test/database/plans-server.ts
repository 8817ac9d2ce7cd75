import type { AddressInfo } from 'node:net';
import { Type } from 'typebox';
import { v4 as uuid } from 'uuid';
import type { Action } from '../../src/actions/action.ts';
import { actionChecks, type Catalogue } from '../../src/actions/catalogue.ts';
import { value } from '../../src/actions/value.ts';
import { wait } from '../../src/actions/wait.ts';
import type { Store } from '../../src/database/store.ts';
import { createApp } from '../../src/http/app.ts';
import { openStores } from '../../src/open-stores.ts';
import { type Scheduler, startScheduler } from '../../src/scheduler/scheduler.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { type Answer, type Anything, send } from '../support/api.ts';

/** Fails so many times, and says so in its log; takes a slot, as `value` does not. */
const act: Action = {
  uses: 'act',
  summary: 'Fails so many times.',
  with: Type.Object({ fails: Type.Number() }),
  instant: false,
  async run(with_, { claim, log, progress }) {
    log(`attempt ${claim.attempt}\n`);
    progress(0.5);
    if (claim.attempt > (with_ as { fails: number }).fails)
      return { kind: 'succeeded', output: { n: claim.attempt } };
    return { kind: 'failed', error: { code: 'unlucky', message: 'not this time' }, retryable: true };
  },
};

export interface WholeServer {
  store: Store;
  /** Asks over HTTP; gives what a 2xx answered, and throws on any other status that is not `expected`. */
  ask(
    method: string,
    path: string,
    body?: unknown,
    more?: { headers?: object; expected?: number },
  ): Promise<Anything>;
  /** What went wrong and was logged. */
  warnings: string[];
  stop(): Promise<void>;
}

/** A server as `main` puts it together, in this process, on an address of its own. */
export async function startWholeServer(url: string): Promise<WholeServer> {
  const warnings: string[] = [];
  const log = createLogger({
    level: 'warn',
    pretty: false,
    destination: { write: (line) => void warnings.push(line) },
  });
  const stops: (() => Promise<void>)[] = [];
  const id = uuid();
  const { store, requests, workers, vital, metrics } = await openStores(
    url,
    { id, kind: 'embedded', version: '0' },
    log,
    stops,
  );
  const catalogue: Catalogue = new Map([value, wait, act].map((action) => [action.uses, action]));
  const entry = { id, name: 'test', version: '0', uses: [...catalogue.keys()], queues: null, slots: 8 };
  const settings = { entry, claimTtlMs: 30_000, retentionDays: null, soleServer: false };
  const scheduler: Scheduler = await startScheduler({
    ...{ store, workers, vital, connection: url, catalogue, settings, log },
    meter: metrics.engine,
  });
  const app = createApp({
    ...{ store: requests, workers, vital, log, metrics, startedAt: Date.now(), desk: scheduler.remote },
    claimTtlMs: 30_000,
    reportProgress: scheduler.reportProgress,
    actionChecks: actionChecks(catalogue),
    actions: [...catalogue.values()],
    version: '0',
    database: { kind: 'embedded', version: '18' },
    allowedHosts: [],
    isReady: () => true,
    stopping: new AbortController().signal,
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  return {
    store,
    warnings,
    async ask(method, path, body, { headers = {}, expected } = {}) {
      const answer: Answer = await send(port, method, path, {
        body,
        headers: headers as Record<string, string>,
      });
      if (answer.status >= 300 && answer.status !== expected) {
        throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
      }
      return answer.json ?? answer.text;
    },
    async stop() {
      await scheduler.stop(2_000);
      await app.close();
      for (const stop of stops.reverse()) await stop();
    },
  };
}
