import {
  appendFileSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { StartupError } from '../startup-error.ts';
import type { PostgresBinaries } from './binaries.ts';
import { type RunAs, runProgram } from './program.ts';
import { DATABASE_USER, type DataFolder, type EmbeddedConnection, giveTo } from './settings.ts';

export type EmbeddedLog = Pick<Logger, 'info' | 'warn' | 'error'>;

/** What is settled about a cluster before it runs. */
export type Cluster = {
  folder: DataFolder;
  binaries: PostgresBinaries;
  runAs: RunAs;
  connection: EmbeddedConnection;
  settings: Record<string, string>;
  log: EmbeddedLog;
};

/** Makes the cluster's files if there are none yet. Returns whether it made them. */
export async function ensureCluster(
  folder: DataFolder,
  binaries: PostgresBinaries,
  runAs: RunAs,
  durable: boolean,
): Promise<boolean> {
  if (existsSync(join(folder.cluster, 'PG_VERSION'))) return false;
  if (existsSync(folder.cluster)) {
    throw new StartupError(
      `${folder.cluster} exists and is no database that this user can read: start Holdfast as the user who ` +
        'made it, or set DATA_DIR to another folder.',
    );
  }
  // Made beside its place and then renamed: a start that is killed in the middle leaves no half cluster.
  const draft = `${folder.cluster}.new`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { mode: 0o700 });
  giveTo(draft, runAs);
  const { code, output, error } = await runProgram(runAs, binaries.initdb, [
    `--pgdata=${draft}`,
    `--username=${DATABASE_USER}`,
    '--encoding=UTF8',
    // Sorts alike on every machine, whatever its C library.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--auth=reject',
    '--no-instructions',
    ...(durable ? [] : ['--no-sync']),
  ]);
  if (code !== 0)
    throw new StartupError(`PostgreSQL could not make its files in ${folder.root}: ${reason(output, error)}`);
  appendFileSync(join(draft, 'postgresql.conf'), "\ninclude = 'holdfast.conf'\n");
  renameSync(draft, folder.cluster);
  return true;
}

/**
 * Gives the cluster's files to whom PostgreSQL runs as now, which another start may have decided differently.
 */
export function claimOwnership(folder: DataFolder, runAs: RunAs): void {
  const { owner } = runAs;
  for (const top of [folder.cluster, folder.socket]) {
    if (owner === undefined || !existsSync(top) || statSync(top).uid === owner.uid) continue;
    const entries = readdirSync(top, { recursive: true, encoding: 'utf8' });
    for (const entry of entries) lchownSync(join(top, entry), owner.uid, owner.gid);
    // The folder itself last: an interrupted round is then done again.
    lchownSync(top, owner.uid, owner.gid);
  }
}

/** Throws a StartupError when the files belong to another major version of PostgreSQL. */
export function checkClusterVersion(folder: DataFolder, binaries: PostgresBinaries): void {
  const file = join(folder.cluster, 'PG_VERSION');
  if (!existsSync(file)) return;
  const found = readFileSync(file, 'utf8').trim();
  if (found === String(binaries.major)) return;
  throw new StartupError(
    `The data folder ${folder.root} was written by PostgreSQL ${found}, and this release brings PostgreSQL ` +
      `${binaries.major}: start the release that wrote it, or a PostgreSQL ${found} of your own on ` +
      `${folder.cluster} through DATABASE_URL, or set DATA_DIR to a new folder.`,
  );
}

/**
 * Sets the user's password while the server is down. Needed where details of an earlier start were lost, or
 * the folder became unfit for a socket.
 */
export async function setPassword(
  folder: DataFolder,
  binaries: PostgresBinaries,
  runAs: RunAs,
  password: string,
): Promise<void> {
  const statement = `alter role ${DATABASE_USER} password '${password}'`;
  const { code, output, error } = await runProgram(
    runAs,
    binaries.postgres,
    ['--single', '-D', folder.cluster, 'postgres'],
    `${statement}\n`,
  );
  if (code !== 0) throw new StartupError(`PostgreSQL could not set its password: ${reason(output, error)}`);
}

function reason(output: string, error: Error | undefined): string {
  const lines = output.split('\n').filter((line) => /error|fatal|could not/i.test(line));
  return error?.message ?? lines.at(0)?.trim() ?? output.trim().split('\n').at(-1) ?? 'no reason given';
}
