import { Type } from 'typebox';
import { v4 as uuid } from 'uuid';
import type { Action } from '../../src/actions/action.ts';
import type { Catalogue } from '../../src/actions/catalogue.ts';
import { value } from '../../src/actions/value.ts';
import { wait } from '../../src/actions/wait.ts';
import { createDatabase, createPool } from '../../src/database/connection.ts';
import { createRememberedJobs } from '../../src/database/remembered-jobs.ts';
import type { Store } from '../../src/database/store.ts';
import { startWakeUpExchange } from '../../src/database/wake-up-exchange.ts';
import { isAnotherServerAlive } from '../../src/repositories/live-servers.ts';
import { startScheduler } from '../../src/scheduler/scheduler.ts';
import { createLogger } from '../../src/telemetry/logger.ts';

/** Takes a moment, and fails now and then: `with` is `{ms, fails}`, the chance of a failure out of 100. */
export const flaky: Action = {
  uses: 'flaky',
  summary: 'Fails now and then.',
  with: Type.Object({ ms: Type.Number(), fails: Type.Number() }),
  instant: false,
  async run(with_, { signal }) {
    const { ms, fails } = with_ as { ms: number; fails: number };
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      signal.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    });
    if (Math.random() * 100 >= fails) return { kind: 'succeeded', output: { n: ms } };
    return { kind: 'failed', error: { code: 'unlucky', message: 'this time it failed' }, retryable: true };
  },
};

export interface TestServer {
  store: Store;
  /** What went wrong and was logged as an error. */
  errors: string[];
  stop(): Promise<void>;
}

/** Everything of a server but its door: connections, hints that cross to others, and loops, in this process. */
export async function startServer(
  url: string,
  options: { slots?: number; ttlMs?: number } = {},
): Promise<TestServer> {
  const errors: string[] = [];
  const destination = {
    write(line: string) {
      if (JSON.parse(line).level === 'error') errors.push(line);
    },
  };
  const log = createLogger({ level: 'warn', pretty: false, destination });
  const open = (max: number) =>
    createDatabase(createPool({ connection: url, max, applicationName: 'holdfast test' }));
  const id = uuid();
  const vitalDb = open(2);
  const exchange = await startWakeUpExchange({
    connection: url,
    serverId: id,
    hasOthers: () => isAnotherServerAlive(vitalDb, id),
    log,
  });
  const { wakeUps } = exchange;
  const store: Store = { db: open(10), wakeUps, remembered: createRememberedJobs(200) };
  const vital: Store = { db: vitalDb, wakeUps };
  const catalogue: Catalogue = new Map([value, wait, flaky].map((action) => [action.uses, action]));
  const scheduler = await startScheduler({
    store,
    vital,
    connection: url,
    catalogue,
    settings: {
      entry: {
        id,
        name: 'test',
        version: '0',
        uses: [...catalogue.keys()],
        queues: null,
        slots: options.slots ?? 8,
      },
      claimTtlMs: options.ttlMs ?? 30_000,
      retentionDays: null,
      soleServer: false,
    },
    log,
  });
  return {
    store,
    errors,
    async stop() {
      await scheduler.stop(2_000);
      await exchange.stop();
      await store.db.destroy();
      await vital.db.destroy();
    },
  };
}
