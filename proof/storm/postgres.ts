import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { livePostmaster } from '../../src/database/embedded/pid-file.ts';
import { startOwner, urlOf } from '../../test/support/embedded.ts';
import { mountSmallDisk } from '../../test/support/small-disk.ts';

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

/** Starts a PostgreSQL in a folder; `wantsDisk`: on a small disk of its own where this user may mount one. */
export async function startStormPostgres(folder: string, wantsDisk: boolean): Promise<StormPostgres> {
  const disk = wantsDisk ? mountSmallDisk(join(folder, 'disk'), DISK_MB) : null;
  const dataDir = join(folder, 'disk', 'data');
  mkdirSync(dataDir, { recursive: true });
  chmodSync(join(folder, 'disk'), 0o755);
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
    hasOwnDisk: disk !== null,
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
      disk?.fill();
      await new Promise((resolve) => setTimeout(resolve, ms));
      disk?.makeRoom();
    },
    async close() {
      await owner.stop();
      disk?.unmount();
    },
  };
}

const BACKENDS = `select pid from pg_stat_activity
  where backend_type = 'client backend' and pid <> pg_backend_pid() and datname = current_database()`;
