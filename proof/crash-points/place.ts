import type pg from 'pg';
import { createDatabase, createPool } from '../../src/database/connection.ts';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';

/** A database in which one process at a time dies, and the connections of whoever looks at it afterwards. */
export interface Place {
  url: string;
  pool: pg.Pool;
  store: Store;
  close(): Promise<void>;
}

/**
 * For whoever counts statements: on a slow machine a transaction may idle so long that the database ends its session,
 * and what is then tried again goes through another one, which nobody watches.
 */
export const PATIENT = { lock: 20_000, idleInTransaction: 0, statement: 0 };

/** Connects to a migrated database that nobody else uses. */
export function openPlace(url: string): Place {
  const pool = createPool({
    connection: url,
    max: 4,
    applicationName: 'holdfast crash points',
    timeouts: PATIENT,
  });
  const db = createDatabase(pool);
  return { url, pool, store: { db, wakeUps: createWakeUps() }, close: () => db.destroy() };
}
