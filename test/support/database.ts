import type { Kysely } from 'kysely';
import type pg from 'pg';
import { inject } from 'vitest';
import { createDatabase, createPool } from '../../src/database/connection.ts';
import type { Tables } from '../../src/database/tables.ts';
import { onServer, withDatabase } from './server.ts';

export type TestDatabase = {
  db: Kysely<Tables>;
  pool: pg.Pool;
  /** For a second pool, or another process, on the same database. */
  url: string;
  /** Ends the pool and drops the database, cutting whatever else is connected to it. */
  close(): Promise<void>;
};

let made = 0;

/**
 * A database of the caller's own: a copy of the run's migrated template, or with `empty` one without a
 * schema.
 */
export async function testDatabase(options: { max?: number; empty?: boolean } = {}): Promise<TestDatabase> {
  const { url, template } = inject('testServer');
  const name = `holdfast_test_${process.pid}_${made++}_${Math.random().toString(36).slice(2, 8)}`;
  await onServer(url, `create database ${name} template ${options.empty ? 'template0' : template}`);
  const own = withDatabase(url, name);
  const pool = createPool({ connection: own, max: options.max ?? 10, applicationName: 'holdfast test' });
  return {
    db: createDatabase(pool),
    pool,
    url: own,
    close: async () => {
      if (!pool.ending) await pool.end();
      await onServer(url, `drop database if exists ${name} with (force)`);
    },
  };
}
