import type pg from 'pg';

/** What a database has done so far. */
export interface DatabaseUse {
  /** All transactions that committed, also those that only read; late by up to `STATISTICS_LATE_MS`. */
  commits: number;
  /** Transactions that wrote, committed or not; at once. */
  writing: number;
  /** At once. */
  walBytes: number;
  /** Rows by what was done to them, in all tables; late as commits. */
  inserted: number;
  updated: number;
  /** Of those updated, the ones whose indexes were left alone. */
  hot: number;
  deleted: number;
}

/** An idle session of Postgres keeps what it counted to itself for ten seconds at most. */
export const STATISTICS_LATE_MS = 10_500;

export async function readDatabaseUse(database: pg.Client): Promise<DatabaseUse> {
  const { rows } = await database.query<Record<keyof DatabaseUse, string>>(`
    select d.xact_commit as commits, pg_current_xact_id()::text::bigint as writing,
      pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') as "walBytes",
      t.inserted, t.updated, t.hot, t.deleted
    from pg_stat_database d, (
      select sum(n_tup_ins) as inserted, sum(n_tup_upd) as updated, sum(n_tup_hot_upd) as hot,
        sum(n_tup_del) as deleted from pg_stat_user_tables
    ) t where d.datname = current_database()`);
  return Object.fromEntries(
    Object.entries(rows[0] ?? {}).map(([name, value]) => [name, Number(value)]),
  ) as unknown as DatabaseUse;
}

/** What was done between two looks. */
export function useBetween(before: DatabaseUse, after: DatabaseUse): DatabaseUse {
  return Object.fromEntries(
    (Object.keys(after) as (keyof DatabaseUse)[]).map((name) => [name, after[name] - before[name]]),
  ) as unknown as DatabaseUse;
}
