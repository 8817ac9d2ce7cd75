import type { Catalogue } from '../actions/catalogue.ts';
import type { Store } from '../database/store.ts';
import type { StepState } from '../domain/moves/draft.ts';
import type { ClaimedStep } from '../operations/advance-jobs.ts';
import { claimSteps } from '../operations/claim-steps.ts';
import type { HandOffs } from './hand-offs.ts';
import type { HeldSteps, Kind } from './held-steps.ts';

/**
 * Makes the function that fills this server's room from the queue: claims what is ready, starts it, and says of
 * which kind there may be more than there was room for. One claim is in flight at a time; the caller sees to that.
 */
export function createClaimer(options: {
  store: Store;
  catalogue: Catalogue;
  settings: { workerId: string; queues: readonly string[] | null; claimTtlMs: number };
  held: HeldSteps;
  handOffs: HandOffs;
  kindOf: (step: StepState) => Kind | null;
  start: (claims: ClaimedStep[]) => Promise<void>;
}): () => Promise<Record<Kind, boolean>> {
  const { store, catalogue, held, handOffs, kindOf, start } = options;
  const { workerId, queues, claimTtlMs } = options.settings;
  return async () => {
    const free = held.room();
    const uses = [...catalogue.values()]
      .map((action) => ({ uses: action.uses, max: action.instant ? free.instant : free.slot }))
      .filter(({ max }) => max > 0);
    if (uses.length === 0) return { slot: true, instant: true };
    const reserved: Record<Kind, number> = { slot: 0, instant: 0 };
    const granted: ClaimedStep[] = [];
    try {
      const claims = await claimSteps(store, {
        ...{ workerId, uses, queues, ttlMs: claimTtlMs },
        accept(step) {
          const kind = kindOf(step);
          if (kind === null || !held.reserve(kind)) return false;
          reserved[kind] += 1;
          handOffs.claimed(step);
          return true;
        },
        granted: (claim) => granted.push(claim),
      });
      void start(claims);
    } catch (error) {
      // The answer may have got lost after the commit: whether they are ours shows when they are loaded.
      void start(granted);
      throw error;
    } finally {
      held.giveBack(reserved);
    }
    // No room at all tells nothing about the queue; room that was left tells that it is empty.
    const empty = { slot: reserved.slot < free.slot, instant: reserved.instant < free.instant };
    handOffs.queueSeen(empty);
    return { slot: !empty.slot, instant: !empty.instant };
  };
}
