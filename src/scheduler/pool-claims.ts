import type { Catalogue } from '../actions/catalogue.ts';
import type { StepState } from '../domain/moves/draft.ts';
import type { ClaimedStep } from '../operations/advance-jobs.ts';
import type { Claimant, OpenRequest } from './claim-desk.ts';
import type { HandOffs } from './hand-offs.ts';
import type { HeldSteps, Kind } from './held-steps.ts';

// Nobody knows how large these are before they are loaded.
const INSTANTS_AT_ONCE = 512;

/** What the server's own pool asks the desk for. */
export interface PoolClaims extends Claimant {
  /** Whether the queue may hold more than there was room for: then room that is freed is worth a look. */
  mayBeMore(): boolean;
}

/** Asks for what this server has room for, and starts what it gets. */
export function createPoolClaims(options: {
  catalogue: Catalogue;
  settings: { workerId: string; queues: readonly string[] | null; claimTtlMs: number };
  held: HeldSteps;
  handOffs: HandOffs;
  kindOf: (step: StepState) => Kind | null;
  start: (claims: ClaimedStep[]) => Promise<void>;
}): PoolClaims {
  const { catalogue, settings, held, handOffs, kindOf, start } = options;
  const { workerId, queues, claimTtlMs: ttlMs } = settings;
  let more: Record<Kind, boolean> = { slot: false, instant: false };

  const open = (): OpenRequest[] => {
    const room = held.room();
    const free = { slot: room.slot, instant: Math.min(room.instant, INSTANTS_AT_ONCE) };
    const uses = [...catalogue.values()]
      .map((action) => ({ uses: action.uses, max: action.instant ? free.instant : free.slot }))
      .filter(({ max }) => max > 0);
    if (uses.length === 0) {
      more = { slot: true, instant: true };
      return [];
    }
    const reserved: Record<Kind, number> = { slot: 0, instant: 0 };
    const granted: ClaimedStep[] = [];
    return [
      {
        request: {
          ...{ workerId, uses, room: free.slot + free.instant, queues, ttlMs },
          accept(step) {
            const kind = kindOf(step);
            if (kind === null || !held.reserve(kind)) return false;
            reserved[kind] += 1;
            handOffs.claimed(step);
            return true;
          },
          granted: (claim) => granted.push(claim),
        },
        done(grants) {
          if (typeof grants === 'object') void start(grants.claims);
          held.giveBack(reserved);
          // Some were changed or held by others meanwhile: that tells nothing about the queue, and the next look may.
          if (typeof grants !== 'object' || grants.claims.length < granted.length) return 0;
          // No room at all tells nothing about the queue; room that was left tells that it is empty.
          const empty = { slot: reserved.slot < free.slot, instant: reserved.instant < free.instant };
          handOffs.queueSeen(empty);
          more = { slot: !empty.slot, instant: !empty.instant };
          return hasRoomForMore() ? 0 : undefined;
        },
        failed() {
          // The answer may have got lost after the commit: whether they are ours shows when they are loaded.
          void start(granted);
          held.giveBack(reserved);
        },
      },
    ];
  };
  // Room for one kind is no reason to look at once for the other: that would go on until a slot is free.
  const hasRoomForMore = () => {
    const free = held.room();
    return (more.slot && free.slot > 0) || (more.instant && free.instant > 0);
  };
  return { open, mayBeMore: () => more.slot || more.instant };
}
