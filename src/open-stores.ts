import type { Logger } from 'pino';
import {
  createDatabase,
  createPool,
  type DatabaseAddress,
  type PoolSettings,
  poolFigures,
} from './database/connection.ts';
import type { Store } from './database/store.ts';
import { startWakeUpExchange } from './database/wake-up-exchange.ts';
import { createWakeUps, type WakeUps } from './database/wake-ups.ts';
import { isAnotherServerAlive } from './repositories/live-servers.ts';
import { readFigures } from './repositories/read-figures.ts';
import { createMetrics, type Metrics } from './telemetry/metrics.ts';
import { transitionLog } from './telemetry/transition-log.ts';

const WORK_CONNECTIONS = 10;
const VITAL_CONNECTIONS = 2;
// Whoever watches must not slow down what he watches.
const FIGURE_TIMEOUTS = { statement: 1_000, lock: 200 };

/** Which server opens the stores, and who runs its database. */
interface Opener {
  id: string;
  kind: 'embedded' | 'external';
  version: string;
}

type Stops = (() => Promise<void>)[];

/**
 * The database twice: for work, and over connections of their own for what must never wait behind work. A third pool,
 * of one connection, is for the metrics, which see every committed change. What closes it all is added to `stops`.
 */
export async function openStores(
  connection: DatabaseAddress,
  server: Opener,
  log: Logger,
  stops: Stops,
): Promise<{ store: Store; vital: Store; metrics: Metrics }> {
  const open = (pool: PoolChoice) => openPool({ connection, ...pool }, log, stops);
  const work = open({ max: WORK_CONNECTIONS, applicationName: 'holdfast' });
  const vital = open({ max: VITAL_CONNECTIONS, applicationName: 'holdfast vital' });
  const figures = open({ max: 1, applicationName: 'holdfast figures', timeouts: FIGURE_TIMEOUTS });
  const metrics = createMetrics({
    version: server.version,
    pools: () => ({ work: poolFigures(work.pool), vital: poolFigures(vital.pool) }),
    database: {
      read: () => readFigures(figures.db),
      onError: (error) => log.warn({ err: error }, 'the database did not tell its figures'),
    },
  });
  const wakeUps = await openWakeUps(connection, server, vital.db, log, stops);
  const logMoves = transitionLog(log);
  const observe: Store['observe'] = (drafts) => {
    metrics.observe(drafts);
    logMoves(drafts);
  };
  return { store: { db: work.db, wakeUps, observe }, vital: { db: vital.db, wakeUps }, metrics };
}

async function openWakeUps(
  connection: DatabaseAddress,
  server: Opener,
  db: Store['db'],
  log: Logger,
  stops: Stops,
): Promise<WakeUps> {
  // The data folder's lock admits one server: nobody else could listen.
  if (server.kind === 'embedded') return createWakeUps();
  const hasOthers = () => isAnotherServerAlive(db, server.id);
  const exchange = await startWakeUpExchange({ connection, serverId: server.id, hasOthers, log });
  stops.push(() => exchange.stop());
  return exchange.wakeUps;
}

type PoolChoice = Pick<PoolSettings, 'max' | 'applicationName' | 'timeouts'>;

function openPool(
  settings: PoolChoice & Pick<PoolSettings, 'connection'>,
  log: Logger,
  stops: Stops,
): { db: Store['db']; pool: ReturnType<typeof createPool> } {
  let ending = false;
  const pool = createPool({
    ...settings,
    onError: (error) => {
      if (!ending) log.warn({ err: error }, 'lost a connection to the database; it will be replaced');
    },
  });
  const db = createDatabase(pool);
  stops.push(() => {
    // The pool does not wait for its goodbyes: a database that stops next may cut a connection short.
    ending = true;
    return db.destroy();
  });
  return { db, pool };
}
