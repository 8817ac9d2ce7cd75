import type { Logger } from 'pino';
import type { Store } from '../database/store.ts';
import { LIMITS } from '../domain/limits.ts';
import type { ClaimRequest } from '../operations/claim-request.ts';
import { claimSteps } from '../operations/claim-steps.ts';
import type { Grants } from '../operations/grant-steps.ts';
import { startLoop } from './loop.ts';

const POLL_MS = 1000;

/** A request that the desk has on the table. */
export interface OpenRequest {
  request: ClaimRequest;
  /** Told what came of it. Returns how soon (ms) the desk should look again; undefined: when something happens. */
  done(grants: Grants): number | undefined;
  /** Told that nobody knows what came of it. */
  failed(error: unknown): void;
}

/** Somebody on whose behalf the desk claims: the server's own pool, or all remote workers that ask. */
export interface Claimant {
  /** What it would take now. */
  open(): OpenRequest[];
}

/** The one place of a server where steps are claimed. */
export interface ClaimDesk {
  /** Asks for a look at the queue. */
  wake(): void;
  stop(): Promise<void>;
}

/**
 * Claims for everybody at this server: one statement at a time, which serves the own pool and all remote workers that
 * wait. More in flight would only find each other's jobs locked.
 */
export function startClaimDesk(options: {
  store: Store;
  log: Logger;
  claimants: readonly Claimant[];
  /** Told how many steps one look brought. */
  onClaimed?: (count: number) => void;
}): ClaimDesk {
  const { store, log, claimants } = options;
  const loop = startLoop({
    name: 'claims',
    intervalMs: POLL_MS,
    log,
    async pass() {
      const open = claimants.flatMap((claimant) => claimant.open());
      if (open.length === 0) return undefined;
      let grants: Grants[];
      try {
        grants = await claimSteps(
          store,
          open.map(({ request }) => request),
        );
      } catch (error) {
        for (const one of open) one.failed(error);
        throw error;
      }
      const again = open.map((one, index) => one.done(grants[index] ?? 'busy'));
      const count = grants.reduce((sum, one) => sum + (typeof one === 'object' ? one.claims.length : 0), 0);
      options.onClaimed?.(count);
      // So many that the limit of one look, not the queue, may have left others without.
      if (count >= LIMITS.claimsPerRequest) return 0;
      const soonest = again.filter((ms) => ms !== undefined);
      return soonest.length === 0 ? undefined : Math.min(...soonest);
    },
  });
  const unsubscribe = store.wakeUps.onStepsReady(() => loop.wake());
  return {
    wake: () => loop.wake(),
    stop() {
      unsubscribe();
      return loop.stop();
    },
  };
}
