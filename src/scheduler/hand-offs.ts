import type { StepState } from '../domain/moves/draft.ts';
import type { ClaimTerms } from '../domain/moves/hold.ts';
import type { ClaimedStep, HandOff } from '../operations/advance-jobs.ts';
import type { StepOutcome } from '../operations/step-outcome.ts';
import type { HeldSteps, Kind } from './held-steps.ts';

// So many steps in a row may go from hand to hand in one slot, then the queue has its turn.
export const LONGEST_CHAIN = 16;

/** A remote worker that settles and asks for its next steps in the same call. */
export interface RemoteTaker {
  terms: ClaimTerms;
  /** False: nobody waits for an answer any more that could hold steps. */
  open: boolean;
  /** Whether it takes this step besides the claims that it has got already. */
  takes(step: StepState): boolean;
  /** What it was given, in whatever try: whether that was committed shows when it is loaded. */
  claims: ClaimedStep[];
}

/** What one batch may take. */
export interface Offer {
  /** Makes the offer for one try of the transaction. */
  handOff: () => HandOff;
  /** What this server took in the last try, whether or not its commit was heard of. */
  granted: () => ClaimedStep[];
  /** Gives the reservations back. */
  end: () => void;
}

/** Decides who takes promoted steps straight from the settle that freed them. */
export interface HandOffs {
  /** An offer for one batch of outcomes, and for the remote workers that sent some of them. */
  offer(outcomes: readonly StepOutcome[], takers?: readonly RemoteTaker[]): Offer;
  /** Takes note of a step claimed from the queue: what sorts before it was nobody else's turn. */
  claimed(step: StepState): void;
  /** Takes note of which steps the last claim found fewer than there was room for. */
  queueSeen(empty: Record<Kind, boolean>): void;
  /** How many hand-offs in a row led to this claim. */
  lengthOf(claim: ClaimedStep): number;
}

/**
 * A step is handed off only while the last claim came back short, so nobody waits in the queue, or if it sorts before
 * the last one claimed; one that holds no slot also past its turn, but not past a higher priority. And at most 16 times in
 * a row, so that no chain overtakes everybody for ever. Remote workers
 * come first: they asked; of several the one that has got the fewest.
 */
export function createHandOffs(options: {
  held: HeldSteps;
  settings: { workerId: string; claimTtlMs: number };
  kindOf: (step: StepState) => Kind | null;
}): HandOffs {
  const { held, settings } = options;
  const terms: ClaimTerms = { claimed_by: settings.workerId, ttl_ms: settings.claimTtlMs };
  const chains = new WeakMap<ClaimedStep, number>();
  let empty: Record<Kind, boolean> = { slot: true, instant: true };
  let last: { priority: number; turn: number } | null = null;

  const isInTurn = (step: StepState, kind: Kind) => {
    if (empty[kind]) return true;
    if (last === null) return false;
    // What holds no slot keeps nobody waiting for longer than it takes to write it down.
    if (kind === 'instant') return step.priority >= last.priority;
    const turn = step.turn ?? Number.POSITIVE_INFINITY;
    return step.priority > last.priority || (step.priority === last.priority && turn < last.turn);
  };

  const chainsOf = (outcomes: readonly StepOutcome[]) => {
    const chainOf = new Map<string, number>();
    for (const { job_id, claim_id } of outcomes) {
      const chain = (held.get(claim_id)?.chain ?? 0) + 1;
      chainOf.set(job_id, Math.max(chain, chainOf.get(job_id) ?? 0));
    }
    return (jobId: string) => chainOf.get(jobId) ?? 1;
  };

  return {
    offer(outcomes, takers = []) {
      const chainOf = chainsOf(outcomes);
      const mine = { slot: 0, instant: 0 };
      let granted: ClaimedStep[] = [];
      const giveBack = () => {
        held.giveBack(mine);
        mine.slot = 0;
        mine.instant = 0;
      };
      const takeMyself = (step: StepState, jobId: string) => {
        const kind = options.kindOf(step);
        if (kind === null || chainOf(jobId) > LONGEST_CHAIN || !isInTurn(step, kind)) return null;
        if (!held.reserve(kind)) return null;
        mine[kind] += 1;
        return terms;
      };
      let given = new Set<ClaimedStep>();
      const handOff = (): HandOff => {
        giveBack();
        granted = [];
        // What the try before gave was not committed, else there would be no other one.
        for (const taker of takers) taker.claims = taker.claims.filter((claim) => !given.has(claim));
        given = new Set();
        return {
          workers: [...new Set(takers.map(({ terms }) => terms.claimed_by))],
          take(step, jobId, leaving) {
            const taker = fewest(
              takers.filter((one) => !leaving.has(one.terms.claimed_by) && one.takes(step)),
            );
            return taker?.terms ?? takeMyself(step, jobId);
          },
          granted(claim, to) {
            const taker = takers.find((one) => one.terms === to);
            if (taker) {
              taker.claims.push(claim);
              given.add(claim);
            } else {
              granted.push(claim);
              chains.set(claim, chainOf(claim.job_id));
            }
          },
        };
      };
      return { handOff, granted: () => granted, end: giveBack };
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

function fewest(takers: readonly RemoteTaker[]): RemoteTaker | undefined {
  return takers.reduce<RemoteTaker | undefined>(
    (least, one) => (least === undefined || one.claims.length < least.claims.length ? one : least),
    undefined,
  );
}
