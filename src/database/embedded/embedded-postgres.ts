import { accessSync, chmodSync, constants, mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import pg from 'pg';
import { StartupError } from '../startup-error.ts';
import { findPostgresBinaries } from './binaries.ts';
import {
  type Cluster,
  checkClusterVersion,
  type EmbeddedLog,
  ensureCluster,
  setPassword,
} from './cluster.ts';
import { lockDataFolder } from './data-folder-lock.ts';
import { livePostmaster } from './pid-file.ts';
import { ensureRunning, probe, stopPostmaster } from './postmaster.ts';
import {
  chooseConnection,
  dataFolder,
  type EmbeddedConnection,
  isSocket,
  readDetails,
  writeDetails,
  writeServerSettings,
} from './settings.ts';
import { chooseRunAs } from './user.ts';
import { keepRunning } from './watch.ts';

export type EmbeddedPostgres = {
  connection: EmbeddedConnection;
  /** A postmaster that outlived its server was found and adopted. */
  tookOver: boolean;
  /**
   * Stops the database and gives the data folder back. Call it last, when nothing needs the database any
   * more.
   */
  stop(): Promise<void>;
};

/**
 * Starts the PostgreSQL that npm installed, in `dataDir`, or adopts the one that a killed server left there.
 * While it is held it is also kept up: when the postmaster dies it is started again, and pools reconnect.
 * `settings` override postgresql.conf (the tests switch fsync off).
 * Throws a StartupError: folder in use by another server, other version, no permission, no binaries.
 */
export async function startEmbeddedPostgres(options: {
  dataDir: string;
  log: EmbeddedLog;
  settings?: Record<string, string>;
}): Promise<EmbeddedPostgres> {
  // First: where there is no PostgreSQL to start, a folder for it is no concern of anybody's.
  const found = findPostgresBinaries();
  const folder = dataFolder(resolve(options.dataDir));
  makeFolder(folder.root);
  const lock = lockDataFolder(folder.root);
  try {
    checkClusterVersion(folder, found);
    const { runAs, binaries } = await chooseRunAs(found, folder.root);
    const settings = options.settings ?? {};
    const base = { folder, binaries, runAs, settings, log: options.log };
    const adopted = await adopt(base);
    const cluster: Cluster = { ...base, connection: adopted ?? (await prepare(base)) };
    if (adopted === undefined) await ensureRunning(cluster);
    await ensureDatabase(cluster.connection);
    const watch = keepRunning(cluster);
    return {
      connection: cluster.connection,
      tookOver: adopted !== undefined,
      stop: async () => {
        await watch.stop();
        await stopPostmaster(cluster);
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Opens the folders from `first` down to `last` for passing through. */
function openFolders(first: string, last: string): void {
  for (let folder = last; ; folder = dirname(folder)) {
    chmodSync(folder, 0o755);
    if (folder === resolve(first) || folder === dirname(folder)) return;
  }
}

function makeFolder(root: string): void {
  try {
    const first = mkdirSync(root, { recursive: true });
    // As root the database runs as another user, who must get in whatever the umask says.
    if (first !== undefined && process.getuid?.() === 0) openFolders(first, root);
    accessSync(root, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new StartupError(
      `The data folder ${root} cannot be used (${(error as Error).message}): set DATA_DIR to a ` +
        'folder that this user may write to.',
    );
  }
}

/** The connection to a postmaster that is ours and alive; one that nobody can reach any more is stopped. */
async function adopt(cluster: Omit<Cluster, 'connection'>): Promise<EmbeddedConnection | undefined> {
  const { folder, log } = cluster;
  const connection = readDetails(folder);
  let deadline = Date.now() + 5_000;
  for (let pid = livePostmaster(folder.cluster); pid !== undefined; pid = livePostmaster(folder.cluster)) {
    const state = connection === undefined ? 'silent' : await probe(folder.cluster, connection);
    if (connection !== undefined && state === 'ready') {
      log.info({ pid }, 'took over the database that an earlier server left running');
      return connection;
    }
    // Recovery, or the stop that the earlier server began, takes as long as it takes.
    if (state === 'busy') deadline = Date.now() + 5_000;
    if (connection === undefined || Date.now() > deadline) await stopPostmaster(cluster);
    else await pause(10);
  }
  return undefined;
}

async function prepare(cluster: Omit<Cluster, 'connection'>): Promise<EmbeddedConnection> {
  const { folder, binaries, runAs, settings, log } = cluster;
  const before = readDetails(folder);
  const isNew = await ensureCluster(folder, binaries, runAs, settings.fsync !== 'off');
  if (isNew) log.info({ folder: folder.root }, 'made a new database');
  const connection = await chooseConnection(folder);
  writeServerSettings(folder, connection, runAs, settings);
  if (!isSocket(connection) && (isNew || before?.password !== connection.password)) {
    await setPassword(folder, binaries, runAs, connection.password);
  }
  writeDetails(folder, connection);
  return connection;
}

/** The database beside the one that initdb makes. */
async function ensureDatabase(connection: EmbeddedConnection): Promise<void> {
  const client = new pg.Client({ ...connection, database: 'postgres' });
  client.on('error', () => {});
  await client.connect();
  try {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [
      connection.database,
    ]);
    if (rowCount === 0) await client.query(`create database ${pg.escapeIdentifier(connection.database)}`);
  } finally {
    await client.end();
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
