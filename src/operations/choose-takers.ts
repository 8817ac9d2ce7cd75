import type { StepState } from '../domain/moves/draft.ts';
import type { ClaimedStep } from './advance-jobs.ts';
import type { ClaimRequest } from './claim-steps.ts';

/** One request and what it got so far. */
export interface Taker {
  request: ClaimRequest;
  claims: ClaimedStep[];
}

/** Decides who gets a step that several would take. */
export interface Takers {
  /** Who takes this step next; null when nobody has room for it. The caller adds the claim. */
  takerOf(step: StepState): Taker | null;
  all(): Map<ClaimRequest, ClaimedStep[]>;
}

interface Place extends Taker {
  left: number;
}

/** A step goes to the request that has got the fewest, of equals to the one that asked first: work spreads, nobody starves. */
export function chooseTakers(requests: readonly ClaimRequest[]): Takers {
  const takers = requests.map((request): Taker => ({ request, claims: [] }));
  const places = new Map<string, Place[]>();
  for (const taker of takers) {
    for (const { uses, max } of taker.request.uses) {
      const list = places.get(uses) ?? [];
      list.push({ ...taker, left: max });
      places.set(uses, list);
    }
  }
  return {
    takerOf(step) {
      const fit = (places.get(step.uses) ?? []).filter(
        ({ left, request: { queues } }) => left > 0 && (queues === null || queues.includes(step.queue)),
      );
      const declined = new Set<Place>();
      for (;;) {
        const place = leastServed(fit, declined);
        if (place === null) return null;
        if (place.request.accept?.(step) ?? true) {
          place.left -= 1;
          return place;
        }
        declined.add(place);
      }
    },
    all: () => new Map(takers.map(({ request, claims }) => [request, claims])),
  };
}

function leastServed(places: readonly Place[], except: ReadonlySet<Place>): Place | null {
  let least: Place | null = null;
  for (const place of places) {
    if (except.has(place)) continue;
    if (least === null || place.claims.length < least.claims.length) least = place;
  }
  return least;
}
