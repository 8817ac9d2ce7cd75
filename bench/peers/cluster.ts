import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startOwner, urlOf } from '../../test/support/embedded.ts';
import { parentOf } from './processor-time.ts';
import { until } from './tally.ts';

/** The PostgreSQL that all contestants share: the one that comes with Holdfast, with the settings that it has there. */
export interface Cluster {
  version: string;
  postmaster: number;
  /** Makes an empty database of that name, in place of one there may be, and gives its URL. */
  freshDatabase(name: string): Promise<string>;
  dropDatabase(name: string): Promise<void>;
  /** Flushes what earlier measurements left to be written, and says where the log of changes stands, in bytes. */
  settle(): Promise<number>;
  logPosition(): Promise<number>;
  /** Transactions that ended in this database, as far as its connections have reported them. */
  commits(database: string): Promise<number>;
  /** Resolves when nobody is connected to it any more: only then has every connection reported what it did. */
  deserted(database: string): Promise<void>;
  /** An empty folder that goes with the cluster. */
  freshFolder(name: string): string;
  stop(): Promise<void>;
}

/** Starts a PostgreSQL for as long as a run takes; it ends with this process, however that ends. */
export async function startCluster(): Promise<Cluster> {
  // Too long for a socket, so that it listens on loopback with a password: some contestants cannot speak to a socket.
  const root = mkdtempSync(join(tmpdir(), `holdfast-peers-${'x'.repeat(100)}-`));
  chmodSync(root, 0o755);
  const owner = await startOwner(root, { settings: {}, remove: true });
  const cluster = await connectCluster(urlOf(owner.connection), root);
  return {
    ...cluster,
    stop: async () => {
      await cluster.stop();
      await owner.stop();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** The PostgreSQL that a URL leads to, whose user may make databases; `root` is a folder for what belongs to a run. */
export async function connectCluster(url: string, root: string): Promise<Cluster> {
  const client = new pg.Client(inDatabase(url, 'postgres'));
  client.on('error', () => {});
  await client.connect();
  const one = async (statement: string, values: unknown[] = []) => {
    const { rows } = await client.query({ text: statement, values, rowMode: 'array' });
    return rows[0]?.[0] as unknown;
  };
  const logPosition = async () =>
    Number(await one(`select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')`));
  const dropDatabase = async (name: string) => {
    await client.query(`drop database if exists ${pg.escapeIdentifier(name)} with (force)`);
  };
  return {
    version: String(await one('show server_version')),
    postmaster: parentOf(Number(await one('select pg_backend_pid()'))) ?? -1,
    freshDatabase: async (name) => {
      await dropDatabase(name);
      await client.query(`create database ${pg.escapeIdentifier(name)}`);
      return inDatabase(url, name);
    },
    dropDatabase,
    settle: async () => {
      await client.query('checkpoint');
      return logPosition();
    },
    logPosition,
    commits: async (name) =>
      Number(await one('select xact_commit from pg_stat_database where datname = $1', [name])),
    deserted: (name) =>
      until(
        async () =>
          (await one('select count(*)::int from pg_stat_activity where datname = $1', [name])) === 0,
      ),
    freshFolder: (name) => {
      const folder = join(root, name);
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder);
      return folder;
    },
    stop: () => client.end(),
  };
}

/** The same address with another database. */
function inDatabase(url: string, database: string): string {
  return url.replace(/\/[^/?]*(\?.*)?$/, `/${database}$1`);
}
