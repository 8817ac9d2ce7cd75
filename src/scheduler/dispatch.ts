import type { Logger } from 'pino';
import type { Catalogue } from '../actions/catalogue.ts';
import type { Store } from '../database/store.ts';
import type { RemoteDesk } from '../operations/remote-desk.ts';
import type { EngineMeter } from '../telemetry/engine-metrics.ts';
import { startClaimDesk } from './claim-desk.ts';
import { createHandOffs } from './hand-offs.ts';
import { heldSteps } from './held-steps.ts';
import { keepClaims } from './keep-claims.ts';
import { createKnownWorkers } from './known-workers.ts';
import { createPool } from './pool.ts';
import { createPoolClaims } from './pool-claims.ts';
import { createRemoteAsks } from './remote-asks.ts';
import { createRemoteClaims } from './remote-claims.ts';
import { createSettler } from './settler.ts';

// How long an action may take to heed the word to stop; what still runs then is given back all the same.
const ABORT_MS = 5000;

export interface DispatchSettings {
  workerId: string;
  /** How many steps may run at once that hold a slot. */
  slots: number;
  /** Null: every queue. */
  queues: readonly string[] | null;
  claimTtlMs: number;
  /** How long remote workers wait for the commit of outcomes before they are told that these are kept. */
  patienceMs?: number;
}

/** Where steps go out and outcomes come in, for the server's own pool and for remote workers. */
export interface Dispatch {
  remote: RemoteDesk;
  /** Requests of remote workers that wait for claims. */
  waiting(): number;
  /** Claims no more, lets running actions end for `graceMs`, gives the rest back uncharged. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Claims ready steps for this server's pool and for the remote workers that ask here, runs what is its own, and settles
 * what ends. `vital` is the same database over connections of its own: claims are kept alive even when work has taken
 * all others.
 */
export function startDispatch(options: {
  store: Store;
  /** For handing steps out to remote workers; as `store` when absent. */
  workers?: Store;
  vital: Store;
  catalogue: Catalogue;
  settings: DispatchSettings;
  log: Logger;
  meter?: EngineMeter;
}): Dispatch {
  const { store, workers = store, vital, catalogue, settings, log, meter } = options;
  const held = heldSteps(settings.slots);
  const freed = () => {
    if (poolClaims.mayBeMore()) desk.wake();
  };
  const pool = createPool({
    ...{ store, catalogue, settings, held, freed, log },
    handOffs: () => handOffs,
    settle: (outcome) => settler.push(outcome),
  });
  const { kindOf, start } = pool;
  const handOffs = createHandOffs({ held, settings, kindOf });
  const settler = createSettler({
    store,
    log,
    offer: handOffs.offer,
    onSettled({ claim_id }, result) {
      // Of remote workers whoever answers them knows which of these are only repeats.
      if (result === 'claim_lost' && held.get(claim_id)) meter?.staleWrites(1);
      held.drop(claim_id);
      freed();
    },
    onBatch: (size) => meter?.settleBatch(size),
    onHandedOff: (claims) => void start(claims),
  });
  const asks = createRemoteAsks(() => desk.wake());
  const known = createKnownWorkers(workers, log, asks);
  const poolClaims = createPoolClaims({ catalogue, settings, held, handOffs, kindOf, start });
  const claimants = [poolClaims, asks];
  const desk = startClaimDesk({ store, log, claimants, onClaimed: (count) => meter?.claimBatch(count) });
  const keeper = keepClaims({ store: vital, held, ttlMs: settings.claimTtlMs, log });

  return {
    remote: createRemoteClaims({
      ...{ store: workers, settler, asks, known, patienceMs: settings.patienceMs },
      onAnswered: (ms) => meter?.claimWait(ms),
    }),
    waiting: asks.count,
    async stop(graceMs) {
      pool.close();
      asks.end();
      await Promise.all([desk.stop(), known.stop()]);
      await held.allFree(graceMs);
      held.abortAll('shutdown');
      await settler.idle();
      await held.allFree(ABORT_MS);
      // What does not heed the word ends with this process. Left as it is, nobody would know until its claim expires:
      // the row that says which server holds it goes now.
      pool.giveBack();
      await settler.idle();
      await keeper.stop();
    },
  };
}
