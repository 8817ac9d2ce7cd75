import type { StepState } from '../domain/moves/draft.ts';
import type { ClaimedStep, HandOff } from '../operations/advance-jobs.ts';
import type { StepOutcome } from '../operations/settle-steps.ts';
import type { HeldSteps, Kind } from './held-steps.ts';

// So many steps in a row may go from hand to hand in one slot, then the queue has its turn.
const LONGEST_CHAIN = 16;

/** What one batch may take. */
export interface Offer {
  /** Makes the offer for one try of the transaction. */
  handOff: () => HandOff;
  /** What was taken in the last try, whether or not its commit was heard of. */
  granted: () => ClaimedStep[];
  /** Gives the reservations back. */
  end: () => void;
}

/** Decides which promoted steps this server takes straight from the settle that freed them. */
export interface HandOffs {
  /** An offer for one batch of outcomes. */
  offer(outcomes: readonly StepOutcome[]): Offer;
  /** Takes note of a step claimed from the queue: what sorts before it was nobody else's turn. */
  claimed(step: StepState): void;
  /** Takes note of which steps the last claim found fewer than there was room for. */
  queueSeen(empty: Record<Kind, boolean>): void;
  /** How many hand-offs in a row led to this claim. */
  lengthOf(claim: ClaimedStep): number;
}

/**
 * A step is handed off only while the last claim came back short, so nobody waits in the queue, or if it sorts before
 * the last one claimed; and at most 16 times in a row, so that no chain overtakes everybody for ever.
 */
export function createHandOffs(options: {
  held: HeldSteps;
  settings: { workerId: string; claimTtlMs: number };
  kindOf: (step: StepState) => Kind | null;
}): HandOffs {
  const { held, settings } = options;
  const chains = new WeakMap<ClaimedStep, number>();
  let empty: Record<Kind, boolean> = { slot: true, instant: true };
  let last: { priority: number; turn: number } | null = null;

  const isInTurn = (step: StepState, kind: Kind) => {
    if (empty[kind]) return true;
    if (last === null) return false;
    const turn = step.turn ?? Number.POSITIVE_INFINITY;
    return step.priority > last.priority || (step.priority === last.priority && turn < last.turn);
  };

  return {
    offer(outcomes) {
      const chainOf = new Map<string, number>();
      for (const { job_id, claim_id } of outcomes) {
        const chain = (held.get(claim_id)?.chain ?? 0) + 1;
        chainOf.set(job_id, Math.max(chain, chainOf.get(job_id) ?? 0));
      }
      const mine = { slot: 0, instant: 0 };
      let granted: ClaimedStep[] = [];
      const giveBack = () => {
        held.giveBack(mine);
        mine.slot = 0;
        mine.instant = 0;
      };
      const take = (step: StepState, jobId: string) => {
        const kind = options.kindOf(step);
        const chain = chainOf.get(jobId) ?? 1;
        if (kind === null || chain > LONGEST_CHAIN || !isInTurn(step, kind)) return false;
        if (!held.reserve(kind)) return false;
        mine[kind] += 1;
        return true;
      };
      return {
        handOff: () => {
          giveBack();
          granted = [];
          return {
            workerId: settings.workerId,
            ttlMs: settings.claimTtlMs,
            take,
            granted(claim) {
              granted.push(claim);
              chains.set(claim, chainOf.get(claim.job_id) ?? 1);
            },
          };
        },
        granted: () => granted,
        end: giveBack,
      };
    },
    claimed(step) {
      last = { priority: step.priority, turn: step.turn ?? Number.NEGATIVE_INFINITY };
    },
    queueSeen(seen) {
      empty = seen;
    },
    lengthOf: (claim) => chains.get(claim) ?? 0,
  };
}
