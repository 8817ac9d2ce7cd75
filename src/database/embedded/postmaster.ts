import { existsSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs';
import pg from 'pg';
import { StartupError } from '../startup-error.ts';
import { type Cluster, claimOwnership } from './cluster.ts';
import { disarmStalePids, isPostmasterOf, livePostmaster } from './pid-file.ts';
import { runProgram } from './program.ts';
import { type EmbeddedConnection, giveTo } from './settings.ts';

/**
 * `ready`: takes connections; `busy`: says that it starts, recovers or stops; `silent`: lives and does not
 * answer here, as in the first moments of a start; `down`: not there.
 */
export type PostmasterState = 'ready' | 'busy' | 'silent' | 'down';

/** Looks whether the postmaster of this cluster takes connections. */
export async function probe(cluster: string, connection: EmbeddedConnection): Promise<PostmasterState> {
  const client = new pg.Client({ ...connection, database: 'postgres', connectionTimeoutMillis: 2_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<{ data_directory: string }>('show data_directory');
    return samePath(rows[0]?.data_directory, cluster) ? 'ready' : 'down';
  } catch (error) {
    const CANNOT_CONNECT_NOW = '57P03';
    if ((error as { code?: string }).code === CANNOT_CONNECT_NOW) return 'busy';
    return livePostmaster(cluster) === undefined ? 'down' : 'silent';
  } finally {
    await client.end().catch(() => {});
  }
}

/** Starts the postmaster until it takes connections, however it died before. */
export async function ensureRunning(cluster: Cluster, isStopping = () => false): Promise<void> {
  const { folder, connection } = cluster;
  let deadline = Date.now() + 60_000;
  let output = '';
  for (let launched = 0; !isStopping(); ) {
    const state = await probe(folder.cluster, connection);
    if (state === 'ready') return;
    // Recovery after a crash takes as long as it takes; only a postmaster that does not stay up counts.
    if (state === 'busy') deadline = Date.now() + 60_000;
    else if (Date.now() > deadline)
      throw new StartupError(`PostgreSQL does not start: ${output || `see ${folder.log}`}`);
    else if (state === 'down' && Date.now() - launched > 100) {
      // Refused while children of a postmaster that died linger: then it is tried again.
      output = await launch(cluster);
      launched = Date.now();
    }
    await pause(10);
  }
}

/** Lets pg_ctl start a postmaster in a session of its own. Returns what it said. */
async function launch({ folder, binaries, runAs }: Cluster): Promise<string> {
  claimOwnership(folder, runAs);
  disarmStalePids(folder.cluster, folder.socket, runAs);
  rotateLog(folder.log);
  if (!existsSync(folder.log)) writeFileSync(folder.log, '', { mode: 0o600 });
  giveTo(folder.log, runAs);
  const args = ['start', '-W', '-s', '-D', folder.cluster, '-l', folder.log];
  const { output, error } = await runProgram(runAs, binaries.pgCtl, args);
  return error?.message ?? output.trim();
}

/** Keeps the log of the database from growing for ever; what was before stays for one round. */
function rotateLog(log: string): void {
  const LIMIT = 10 * 1024 * 1024;
  if (existsSync(log) && statSync(log).size > LIMIT) renameSync(log, `${log}.1`);
}

/** Stops the postmaster and waits until it is gone; open connections are cut, nothing committed is lost. */
export async function stopPostmaster({
  folder,
  binaries,
  runAs,
}: Omit<Cluster, 'connection'>): Promise<void> {
  if (process.platform === 'win32') {
    await runProgram(runAs, binaries.pgCtl, [
      'stop',
      '-s',
      '-w',
      '-t',
      '60',
      '-m',
      'fast',
      '-D',
      folder.cluster,
    ]);
    return;
  }
  // The signals that pg_ctl would send, "fast" and then "immediate", without its coarse waiting.
  for (const [signal, patience] of [
    ['SIGINT', 60_000],
    ['SIGQUIT', 10_000],
    ['SIGKILL', 5_000],
  ] as const) {
    const pid = livePostmaster(folder.cluster);
    if (pid === undefined) return;
    process.kill(pid, signal);
    const deadline = Date.now() + patience;
    while (isPostmasterOf(pid, folder.cluster) && Date.now() < deadline) await pause(5);
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function samePath(a: string | undefined, b: string): boolean {
  if (a === undefined) return false;
  try {
    return realpathSync(a) === realpathSync(b);
  } catch {
    return a === b;
  }
}
