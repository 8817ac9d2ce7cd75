import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type RunAs, writeFileFor } from './program.ts';

/** How to reach the embedded server; the parts of a connection that `pg` takes. */
export type EmbeddedConnection = {
  host: string;
  port: number;
  user: string;
  password: string;
  database: string;
};

export const DATABASE_USER = 'holdfast';

/** Where everything lies inside the data folder. */
export type DataFolder = { root: string; cluster: string; socket: string; log: string; details: string };

export function dataFolder(root: string): DataFolder {
  return {
    root,
    cluster: join(root, 'postgres'),
    socket: join(root, 'socket'),
    log: join(root, 'postgres.log'),
    details: join(root, 'holdfast.json'),
  };
}

// Room for 100 connections and a cache that holds the hot part of a million steps, small enough for a laptop.
// `wal_level` minimal because nothing replicates from here. Durability stays on.
const SETTINGS: Record<string, string> = {
  max_connections: '100',
  shared_buffers: '128MB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  min_wal_size: '128MB',
  max_wal_size: '1GB',
  jit: 'off',
  random_page_cost: '1.1',
  log_line_prefix: '%m [%p] %a ',
  fsync: 'on',
  synchronous_commit: 'on',
};

const SOCKET_PORT = 5432;

/**
 * Chooses how to reach a server that is about to start: a unix socket in a folder that nobody else may enter
 * (no password needed there), or, where its path is too long for a socket, loopback with a password.
 */
export async function chooseConnection(folder: DataFolder): Promise<EmbeddedConnection> {
  const login = {
    user: DATABASE_USER,
    password: randomBytes(24).toString('base64url'),
    database: DATABASE_USER,
  };
  if (canHoldSocket(folder.socket)) return { host: folder.socket, port: SOCKET_PORT, ...login };
  const known = readDetails(folder);
  const password = known && !isSocket(known) ? known.password : login.password;
  return { host: '127.0.0.1', port: await freePort(), ...login, password };
}

export function isSocket(connection: EmbeddedConnection): boolean {
  return connection.host.startsWith('/');
}

function canHoldSocket(socketFolder: string): boolean {
  // sun_path, with its final zero: 108 bytes on Linux, 104 elsewhere. PostgreSQL reads the setting as a list.
  const limit = process.platform === 'linux' ? 107 : 103;
  const path = `${socketFolder}/.s.PGSQL.${SOCKET_PORT}`;
  return process.platform !== 'win32' && Buffer.byteLength(path) <= limit && !/[,"\\]/.test(path);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Writes the server's settings and its admission rules into the cluster, before every start. */
export function writeServerSettings(
  folder: DataFolder,
  connection: EmbeddedConnection,
  runAs: RunAs,
  overrides: Record<string, string>,
): void {
  const socket = isSocket(connection);
  if (socket) {
    mkdirSync(folder.socket, { recursive: true });
    giveTo(folder.socket, runAs);
    chmodSync(folder.socket, 0o700);
  }
  const settings = {
    ...SETTINGS,
    listen_addresses: socket ? '' : connection.host,
    port: String(connection.port),
    unix_socket_directories: socket ? folder.socket : '',
    ...overrides,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`);
  const header = '# Written at every start. Your own settings go below the include in postgresql.conf.';
  writeFileFor(runAs, join(folder.cluster, 'holdfast.conf'), `${[header, ...lines].join('\n')}\n`);
  const admitted = socket ? 'local all all trust' : `host all all ${connection.host}/32 scram-sha-256`;
  writeFileFor(runAs, join(folder.cluster, 'pg_hba.conf'), `${admitted}\n`);
}

export function giveTo(path: string, runAs: RunAs): void {
  if (runAs.owner !== undefined) chownSync(path, runAs.owner.uid, runAs.owner.gid);
}

/** The details of the last start, or undefined when there are none that can be read. */
export function readDetails(folder: DataFolder): EmbeddedConnection | undefined {
  try {
    return (JSON.parse(readFileSync(folder.details, 'utf8')) as { connection: EmbeddedConnection })
      .connection;
  } catch {
    return undefined;
  }
}

/** Keeps the details for the next start, and for whoever wants to look inside with a client of their own. */
export function writeDetails(folder: DataFolder, connection: EmbeddedConnection): void {
  const draft = `${folder.details}.new`;
  writeFileSync(draft, `${JSON.stringify({ connection }, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, folder.details);
}
