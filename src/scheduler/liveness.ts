import type { Logger } from 'pino';
import type { DatabaseAddress } from '../database/connection.ts';
import { holdServerLock, type ServerLock } from '../database/server-lock.ts';
import type { Store } from '../database/store.ts';
import {
  enterServer,
  removeServer,
  reportAlive,
  SERVER_LOCK_SPACE,
  type ServerEntry,
} from '../operations/keep-server.ts';
import { startLoop } from './loop.ts';

const HEARTBEAT_MS = 500;

/** The signs of life of this server. */
export interface Liveness {
  /** Since when (`performance.now()`) this server has had its database without a break. */
  trustedSince(): number;
  /** Ends the signs of life: the entry goes, the lock is freed. */
  stop(): Promise<void>;
}

/**
 * Enters the server, takes its lock for life, and writes its row twice a second. `store` should have connections of
 * its own, so that signs of life never wait behind work.
 */
export async function startLiveness(options: {
  store: Store;
  connection: DatabaseAddress;
  entry: ServerEntry;
  log: Logger;
}): Promise<Liveness> {
  const { store, entry, log } = options;
  const startedAt = performance.now();
  let lastFailure = Number.NEGATIVE_INFINITY;

  const takeLock = async (): Promise<ServerLock> =>
    holdServerLock({
      connection: options.connection,
      space: SERVER_LOCK_SPACE,
      key: await enterServer(store, entry),
      onError: (error) => log.warn({ err: error }, 'the lock session was lost; taking the lock again'),
    });

  let lock = await takeLock();
  let locked = true;
  const loop = startLoop({
    name: 'heartbeat',
    intervalMs: HEARTBEAT_MS,
    log,
    async pass() {
      try {
        const known = await reportAlive(store, entry.id);
        if (known && locked) return undefined;
        if (!known) {
          // Nobody else may be judged by a database that has gone back in time, or by what was missed meanwhile.
          lastFailure = performance.now();
          log.warn('another server took this one for dead; entering again');
        }
        // Entered is not locked: should the lock not be had now, the next pass asks for it again.
        locked = false;
        await lock.release();
        lock = await takeLock();
        locked = true;
      } catch (error) {
        lastFailure = performance.now();
        throw error;
      }
      return undefined;
    },
  });
  return {
    trustedSince: () => Math.max(startedAt, lastFailure, lock.lostAt()),
    async stop() {
      await loop.stop();
      await removeServer(store, entry.id).catch((error) =>
        log.warn({ err: error }, 'could not remove the entry'),
      );
      await lock.release();
    },
  };
}
