import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StartupError } from '../startup-error.ts';

export type DataFolderLock = { release(): void };

/**
 * Takes the data folder for this process, or throws a StartupError that names the process that has it.
 *
 * The lock is the operating system's, held through an open SQLite transaction: the kernel frees it at the
 * very death of its holder, two starters cannot both get it, and it does not care about reused pids. (Node
 * offers no file lock of its own; a file that holds a pid has none of the three properties.) The pid in the
 * second file is for the message alone. Nothing else in this process may open the lock file: closing any
 * handle of it would free a POSIX lock.
 */
export function lockDataFolder(folder: string): DataFolderLock {
  const pidFile = join(folder, 'holdfast.pid');
  const database = open(join(folder, 'holdfast.lock'), pidFile, folder);
  writeFileSync(pidFile, `${process.pid}\n`);
  return {
    release: () => {
      if (!database.isOpen) return;
      rmSync(pidFile, { force: true });
      database.close();
    },
  };
}

function open(lockFile: string, pidFile: string, folder: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(lockFile, { timeout: 0 });
    database.exec('BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database?.close();
    if (!isBusy(error)) {
      throw new StartupError(
        `The data folder ${folder} cannot be locked (${(error as Error).message}): start Holdfast as ` +
          'the user who made it, or set DATA_DIR to another folder.',
      );
    }
    throw new StartupError(
      `Another Holdfast server (pid ${readPid(pidFile)}) uses the data folder ${folder}: stop it, ` +
        'set DATA_DIR to another folder, or let both share one PostgreSQL through DATABASE_URL.',
    );
  }
}

function isBusy(error: unknown): boolean {
  const SQLITE_BUSY = 5;
  return (error as { errcode?: number }).errcode === SQLITE_BUSY;
}

/** The holder's pid; a holder that has only just won may not have written over that of a dead one yet. */
function readPid(pidFile: string): string {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8'));
    process.kill(pid, 0);
    return String(pid);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? 'of another user' : 'not known yet';
  }
}
