import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import type pg from 'pg';
import { createPool, type DatabaseAddress } from './connection.ts';
import { StartupError } from './startup-error.ts';

const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../migrations', import.meta.url));

type MigrationFile = {
  /** As kept in kysely_migration: the file's name, and `:compatible` when its header says so. */
  name: string;
  sql: string;
};

// The mark is part of the recorded name, so that it is stored by the transaction that ran the migration and
// an older server, which does not have the file, can read it.
const COMPATIBLE_MARK = ':compatible';

/**
 * Brings the database's schema up to date; several servers may do so at once. Each migration runs in its own
 * transaction. One whose file opens with a comment line `-- compatible: true` leaves the previous release
 * able to start on this database; without it only the releases that know it start. Returns the names of the
 * migrations that this call ran. Throws a StartupError when the database is newer than this release, or a
 * migration cannot get its locks.
 */
export async function migrate(
  connection: DatabaseAddress,
  options: { folder?: string; attempts?: number; lockTimeoutMs?: number } = {},
): Promise<string[]> {
  const files = await readMigrationFiles(options.folder ?? MIGRATIONS_FOLDER);
  // Waiting for another server's migrations may take long, so this connection has no statement timeout; a
  // migration itself never waits long for a lock, since everything else would queue up behind it.
  const pool = createPool({
    connection,
    max: 2,
    applicationName: 'holdfast migrations',
    timeouts: { lock: options.lockTimeoutMs ?? 2_000, statement: 0, idleInTransaction: 60_000 },
  });
  try {
    return await runPending(pool, files, options.attempts ?? 10);
  } finally {
    await pool.end();
  }
}

/** The migrations in a folder, in the order in which they run. `schema.sql` and the like are left out. */
export async function readMigrationFiles(folder: string): Promise<MigrationFile[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{4}_[a-z0-9_]+\.sql$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => {
      const text = await readFile(`${folder}/${name}`, 'utf8');
      // In the comment that opens the file, so that nothing in its SQL is taken for it.
      const compatible = /^(?:--.*\n)*?-- compatible: true[ \t]*(?:\r?\n|$)/.test(text);
      return { name: name.replace(/\.sql$/, '') + (compatible ? COMPATIBLE_MARK : ''), sql: text };
    }),
  );
}

async function runPending(pool: pg.Pool, files: MigrationFile[], attempts: number): Promise<string[]> {
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  const migrator = new Migrator({ db, provider: { getMigrations: () => listMigrations(pool, files) } });
  const ran: string[] = [];
  for (let failures = 0; ; ) {
    // One at a time: `migrateToLatest` would run all of them in a single transaction.
    const { error, results = [] } = await migrator.migrateUp();
    if (error === undefined && results.length === 0) return ran;
    if (error === undefined) ran.push(...results.map((result) => result.migrationName));
    else if (isLockTrouble(error) && ++failures < attempts) await pause(100 * failures);
    else throw asStartupError(error, results.at(0)?.migrationName);
  }
}

/** The migrations of this release, and as empty ones those that a newer release ran and marked compatible. */
async function listMigrations(pool: pg.Pool, files: MigrationFile[]): Promise<Record<string, Migration>> {
  const known: Record<string, Migration> = {};
  for (const file of files)
    known[file.name] = { up: async (db) => void (await sql.raw(file.sql).execute(db)) };
  const newest = files.at(-1)?.name ?? '';
  const { rows } = await pool.query<{ name: string }>('select name from kysely_migration order by name');
  for (const { name } of rows) {
    if (known[name] !== undefined) continue;
    if (!name.endsWith(COMPATIBLE_MARK) || name < newest) throw newerDatabase(name, newest);
    known[name] = { up: async () => {} };
  }
  return known;
}

function newerDatabase(found: string, newest: string): StartupError {
  return new StartupError(
    `The database has the migration ${found}, which this release of Holdfast does not know (its newest is ` +
      `${newest || 'none'}): start the newer release, or point DATABASE_URL at another database.`,
  );
}

function isLockTrouble(error: unknown): boolean {
  const code = (error as { code?: string } | null)?.code;
  return code === '55P03' || code === '40P01';
}

function asStartupError(error: unknown, migration: string | undefined): unknown {
  const code = (error as { code?: string } | null)?.code;
  if (isLockTrouble(error)) {
    return new StartupError(
      `The migration ${migration} could not lock its tables because other sessions use them: stop long ` +
        'transactions on this database, then start again.',
    );
  }
  if (code === '42501') {
    return new StartupError(
      `The database user may not change the schema (${(error as Error).message}): type ` +
        "GRANT ALL ON SCHEMA public TO <that user>, or use the database's owner in DATABASE_URL.",
    );
  }
  return error;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
