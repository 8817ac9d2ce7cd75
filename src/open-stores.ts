import type { Logger } from 'pino';
import {
  createDatabase,
  createPool,
  type DatabaseAddress,
  type PoolSettings,
  poolFigures,
} from './database/connection.ts';
import { createGate, type Gate } from './database/gate.ts';
import { createRememberedJobs } from './database/remembered-jobs.ts';
import type { Store } from './database/store.ts';
import { startWakeUpExchange } from './database/wake-up-exchange.ts';
import { createWakeUps, type WakeUps } from './database/wake-ups.ts';
import { LIMITS } from './domain/limits.ts';
import { insertsWaiting } from './operations/insert-together.ts';
import { isAnotherServerAlive } from './repositories/live-servers.ts';
import { readFigures } from './repositories/read-figures.ts';
import { createMetrics, type Metrics } from './telemetry/metrics.ts';
import { transitionLog } from './telemetry/transition-log.ts';

const WORK_CONNECTIONS = 10;
// What is asked over HTTP leaves two to the engine, and new work leaves two more to workers that hold steps.
const GATED_CONNECTIONS = 8;
const LANES = {
  // Served first, and yet one is left to requests: thousands who talk must not keep anybody from cancelling a job.
  workers: { most: GATED_CONNECTIONS - 1, patienceMs: 30_000 },
  requests: { most: 6, patienceMs: 5_000 },
};
const VITAL_CONNECTIONS = 2;
// Whoever watches must not slow down what he watches.
const FIGURE_TIMEOUTS = { statement: 1_000, lock: 200 };
// Signs of life are short, and must soon find another connection when one is dead.
const VITAL_TIMEOUTS = { statement: 5_000 };

/** Which server opens the stores, and who runs its database. */
interface Opener {
  id: string;
  kind: 'embedded' | 'external';
  version: string;
}

type Stops = (() => Promise<void>)[];

/** The database as the parts of a server get it. */
export interface Stores {
  /** For the engine: waits behind no request. */
  store: Store;
  /** For what is asked over HTTP: so many at a time, the others wait, and not for ever. */
  requests: Store;
  /** The same for what workers say of the steps that they hold, and for handing steps out: before new requests. */
  workers: Store;
  /** Over connections of its own, for what must never wait behind work. */
  vital: Store;
  metrics: Metrics;
  /** How many requests wait for a connection. */
  waiting(): number;
}

/**
 * The database twice: for work, and over connections of their own for what must never wait behind work. A third pool,
 * of one connection, is for the metrics, which see every committed change. What closes it all is added to `stops`.
 */
export async function openStores(
  connection: DatabaseAddress,
  server: Opener,
  log: Logger,
  stops: Stops,
): Promise<Stores> {
  const open = (pool: PoolChoice) => openPool({ connection, ...pool }, log, stops);
  const work = open({ max: WORK_CONNECTIONS, applicationName: 'holdfast' });
  const gate = createGate(work.pool, GATED_CONNECTIONS, LANES);
  const gated = gatedFigures(work.pool, gate);
  const vital = open({
    max: VITAL_CONNECTIONS,
    // Opening one takes longest when there is most to do.
    min: VITAL_CONNECTIONS,
    applicationName: 'holdfast vital',
    timeouts: VITAL_TIMEOUTS,
  });
  const figures = open({ max: 1, applicationName: 'holdfast figures', timeouts: FIGURE_TIMEOUTS });
  const metrics = createMetrics({
    version: server.version,
    pools: () => ({ work: gated(), vital: poolFigures(vital.pool) }),
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
  const remembered = createRememberedJobs(LIMITS.rememberedSteps);
  const over = (db: Store['db']): Store => ({ db, wakeUps, observe, remembered });
  const requests = over(createDatabase(gate.pool('requests')));
  return {
    store: over(work.db),
    requests,
    workers: over(createDatabase(gate.pool('workers'))),
    vital: { db: vital.db, wakeUps },
    metrics,
    waiting: () => gate.waiting('requests') + insertsWaiting(requests),
  };
}

/** Who waits at the gate waits for the pool. */
function gatedFigures(pool: Parameters<typeof poolFigures>[0], gate: Gate<keyof typeof LANES>) {
  return () => {
    const figures = poolFigures(pool);
    return { ...figures, waiting: figures.waiting + gate.waiting('requests') + gate.waiting('workers') };
  };
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

type PoolChoice = Pick<PoolSettings, 'max' | 'min' | 'applicationName' | 'timeouts'>;

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
