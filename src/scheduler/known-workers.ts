import type { Logger } from 'pino';
import type { Store } from '../database/store.ts';
import { noSuchWorker } from '../operations/change-worker.ts';
import { type RequestingWorker, seeWorkers } from '../operations/see-workers.ts';
import { type Loop, startLoop } from './loop.ts';
import type { RemoteAsks } from './remote-asks.ts';

// So long what is known of a worker is gone by; a removal is seen in the database whenever something is granted.
const FRESH_MS = 3_000;
const SEE_MS = 3_000;
const MOST_KNOWN = 10_000;

/** What this server knows of the remote workers that talk to it. */
export interface KnownWorkers {
  /** Throws `worker_not_found`. */
  get(id: string): Promise<RequestingWorker>;
  /** Takes note of what the worker is told from now on, and gives it back. */
  told(id: string, command: 'drain' | 'stop'): 'drain' | 'stop';
  /** Takes note of a look at the queue for this worker: whether it left room. */
  served(id: string, empty: boolean): void;
  /** Whether the worker may take promoted steps past the queue once more: nobody waits there, and not too often. */
  mayBeHanded(id: string, most: number): boolean;
  stop(): Promise<void>;
}

interface Known extends RequestingWorker {
  seenAt: number;
  empty: boolean;
  /** How many times in a row it was served without a look at the queue. */
  chain: number;
}

/** Remembers workers for a few seconds, and tells the database of those that wait here that they live. */
export function createKnownWorkers(
  store: Store,
  log: Logger,
  asks: RemoteAsks,
  { most = MOST_KNOWN, seeMs = SEE_MS } = {},
): KnownWorkers {
  const known = new Map<string, Known>();
  // A worker asks with many requests at once; one look is enough for all.
  const looking = new Map<string, Promise<void>>();

  const see = async (ids: readonly string[]) => {
    const seen = await seeWorkers(store, ids);
    for (const id of ids) {
      const row = seen.find((one) => one.id === id);
      const before = known.get(id);
      // Who is known already would keep its place, and be forgotten before those who have not been heard of since.
      known.delete(id);
      if (row) known.set(id, { empty: true, chain: 0, ...before, ...row, seenAt: performance.now() });
    }
    // What nobody has talked about for longest goes first.
    for (const id of known.keys()) {
      if (known.size <= most) break;
      known.delete(id);
    }
  };

  const loop: Loop = startLoop({
    name: 'workers',
    intervalMs: seeMs,
    log,
    async pass() {
      const ids = asks.workers();
      await see(ids);
      for (const id of ids) {
        // A database that has gone back in time may not know it: it is to register again, not to stop.
        const told = known.get(id)?.command ?? 'unknown';
        if (told !== 'run') asks.tell(id, told);
      }
      return undefined;
    },
  });

  return {
    async get(id) {
      const fresh = known.get(id);
      if (fresh && performance.now() - fresh.seenAt < FRESH_MS) return fresh;
      const look = looking.get(id) ?? see([id]).finally(() => looking.delete(id));
      looking.set(id, look);
      await look;
      const worker = known.get(id);
      if (worker) return worker;
      throw noSuchWorker(id);
    },
    told(id, command) {
      const worker = known.get(id);
      if (worker) worker.command = command;
      return command;
    },
    served(id, empty) {
      const worker = known.get(id);
      if (worker) Object.assign(worker, { empty, chain: 0 });
    },
    mayBeHanded(id, most) {
      const worker = known.get(id);
      if (!worker?.empty || worker.chain >= most) return false;
      worker.chain += 1;
      return true;
    },
    stop: () => loop.stop(),
  };
}
