import { execFile } from 'node:child_process';
import { chownSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { newDataDir, type Owner } from './embedded.ts';

const run = promisify(execFile);

/** A database of which a copy can be made while it is used is started with these. */
export const COPYABLE = { fsync: 'off', full_page_writes: 'off', wal_level: 'replica' };

/**
 * A base backup of a running database: a new data folder, which `startOwner` starts as the database was at the end of
 * the copy. Made by hand, because the embedded PostgreSQL brings no `pg_basebackup`.
 */
export async function copyRunning(owner: Owner, dataDir: string): Promise<string> {
  const from = join(dataDir, 'postgres');
  const copy = newDataDir();
  const to = join(copy, 'postgres');
  const client = new pg.Client(owner.connection);
  await client.connect();
  try {
    await client.query(`select pg_backup_start('copy', fast => true)`);
    // Files that come and go meanwhile are no loss: the log that is copied afterwards knows of them.
    await run('cp', ['-a', from, to]).catch(() => {});
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)');
    await run('cp', ['-a', join(from, 'pg_wal'), to]).catch(() => {});
    writeFileSync(join(to, 'backup_label'), rows[0]?.labelfile ?? '');
  } finally {
    await client.end();
  }
  const { uid, gid } = statSync(to);
  chownSync(join(to, 'backup_label'), uid, gid);
  for (const name of ['postmaster.pid', 'postmaster.opts']) rmSync(join(to, name), { force: true });
  return copy;
}

/** The same folder again, which nobody uses. */
export async function copyFolder(dataDir: string): Promise<string> {
  const copy = newDataDir();
  await run('cp', ['-a', join(dataDir, 'postgres'), copy]);
  return copy;
}
