import type { Kysely } from 'kysely';
import pg from 'pg';
import { inject } from 'vitest';
import { addressOf, createDatabase, createPool } from '../../src/database/connection.ts';
import type { Tables } from '../../src/database/tables.ts';

export type TestDatabase = {
  db: Kysely<Tables>;
  pool: pg.Pool;
  /** For a second pool, or another process, on the same database. */
  url: string;
  /** Ends the pool and drops the database, cutting whatever else is connected to it. */
  close(): Promise<void>;
};

let made = 0;

/** A migrated, empty database of the caller's own: a copy of the run's template. */
export async function testDatabase(options: { max?: number } = {}): Promise<TestDatabase> {
  const { url, template } = inject('testServer');
  const name = `holdfast_test_${process.pid}_${made++}_${Math.random().toString(36).slice(2, 8)}`;
  await onServer(url, `create database ${name} template ${template}`);
  const own = url.replace(/^(\w+:\/\/[^/]*\/)[^?]*/, `$1${name}`);
  const pool = createPool({ connection: own, max: options.max ?? 10, applicationName: 'holdfast test' });
  return {
    db: createDatabase(pool),
    pool,
    url: own,
    close: async () => {
      if (!pool.ended) await pool.end();
      await onServer(url, `drop database if exists ${name} with (force)`);
    },
  };
}

/** Runs one statement outside any test's own database. */
export async function onServer(url: string, statement: string): Promise<void> {
  const client = new pg.Client(addressOf(url));
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
