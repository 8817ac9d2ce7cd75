import { spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { livePostmaster } from '../../src/database/embedded/pid-file.ts';
import { startOwner, urlOf } from '../../test/support/embedded.ts';

/** The database of the storm, and what can be done to it. It comes back by itself from all of it. */
export interface StormPostgres {
  url: string;
  /** Whether it lies on a small disk of its own, which can be filled. */
  hasOwnDisk: boolean;
  /** As `pg_ctl restart -m immediate`: no goodbye, and recovery at the next start. */
  restart(): void;
  killPostmaster(): void;
  /** Kills one of the processes that serve connections, which makes Postgres restart all of them. */
  killBackend(index: number): Promise<void>;
  terminateAll(): Promise<void>;
  /** Leaves no room on the disk for so long, in milliseconds. */
  fillDisk(ms: number): Promise<void>;
  close(): Promise<void>;
}

const DISK_MB = 900;
const MEGABYTE = Buffer.alloc(2 ** 20);

/** Starts a PostgreSQL in a folder; `wantsDisk`: on a small disk of its own where this user may mount one. */
export async function startStormPostgres(folder: string, wantsDisk: boolean): Promise<StormPostgres> {
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  const mount = ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'holdfast-storm', disk];
  const hasOwnDisk = wantsDisk && spawnSync('mount', mount).status === 0;
  chmodSync(disk, 0o755);
  const dataDir = join(disk, 'data');
  mkdirSync(dataDir);
  chmodSync(dataDir, 0o755);
  // What is written ahead must leave room for tables on so small a disk.
  const owner = await startOwner(dataDir, { settings: { max_wal_size: '192MB', min_wal_size: '64MB' } });
  const url = urlOf(owner.connection);
  const signal = (name: NodeJS.Signals) => {
    const pid = livePostmaster(join(dataDir, 'postgres'));
    if (pid !== undefined) process.kill(pid, name);
  };

  async function ask<Row extends pg.QueryResultRow>(statement: string): Promise<Row[]> {
    const client = new pg.Client({
      ...owner.connection,
      connectionTimeoutMillis: 2_000,
      query_timeout: 2_000,
    });
    client.on('error', () => {});
    try {
      await client.connect();
      return (await client.query<Row>(statement)).rows;
    } catch {
      // It is away already: nothing is left to be done to it.
      return [];
    } finally {
      await client.end().catch(() => {});
    }
  }

  return {
    url,
    hasOwnDisk,
    restart: () => signal('SIGQUIT'),
    killPostmaster: () => signal('SIGKILL'),
    async killBackend(index) {
      const backends = await ask<{ pid: number }>(`${BACKENDS} order by pid`);
      const chosen = backends[index % backends.length];
      if (chosen !== undefined) process.kill(chosen.pid, 'SIGKILL');
    },
    async terminateAll() {
      await ask(`select pg_terminate_backend(pid) from (${BACKENDS}) as backend`);
    },
    async fillDisk(ms) {
      const ballast = join(disk, 'ballast');
      fill(ballast);
      await new Promise((resolve) => setTimeout(resolve, ms));
      rmSync(ballast);
    },
    async close() {
      await owner.stop();
      if (hasOwnDisk) spawnSync('umount', [disk]);
    },
  };
}

const BACKENDS = `select pid from pg_stat_activity
  where backend_type = 'client backend' and pid <> pg_backend_pid() and datname = current_database()`;

function fill(file: string): void {
  writeFileSync(file, '');
  for (let piece = MEGABYTE; piece.length >= 1024; piece = piece.subarray(0, piece.length / 2)) {
    try {
      for (;;) appendFileSync(file, piece);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
}
