import type { StepState } from '../domain/moves/draft.ts';
import type { ClaimedStep } from './advance-jobs.ts';
import type { ClaimRequest } from './claim-request.ts';

/** One request and what it got so far. */
export interface Taker {
  request: ClaimRequest;
  claims: ClaimedStep[];
  /** A step that fits was left. */
  more: boolean;
}

/** Decides who gets a step that several would take. */
export interface Takers {
  /** Who takes this step next; null when nobody has room for it. The caller adds the claim. */
  takerOf(step: StepState, jobId: string): Taker | null;
  /** What everybody got, and whether there was more that they would have taken. */
  all(): Map<ClaimRequest, { claims: ClaimedStep[]; more: boolean }>;
}

interface Place {
  taker: Taker;
  left: number;
}

/** A step goes to the request that has got the fewest, of equals to the one that asked first: work spreads, nobody starves. */
export function chooseTakers(requests: readonly ClaimRequest[]): Takers {
  const takers = requests.map((request): Taker => ({ request, claims: [], more: false }));
  const places = new Map<string, Place[]>();
  for (const taker of takers) {
    for (const { uses, max } of taker.request.uses) {
      const list = places.get(uses) ?? [];
      list.push({ taker, left: max });
      places.set(uses, list);
    }
  }
  return {
    takerOf(step, jobId) {
      const fit = (places.get(step.uses) ?? []).filter(({ taker: { request } }) => {
        return request.queues === null || request.queues.includes(step.queue);
      });
      const declined = new Set(fit.filter(({ left }) => left <= 0));
      for (;;) {
        const place = leastServed(fit, declined);
        if (place === null) break;
        if (place.taker.request.accept?.(step, jobId) ?? true) {
          place.left -= 1;
          return place.taker;
        }
        declined.add(place);
      }
      for (const { taker } of fit) taker.more = true;
      return null;
    },
    all: () => new Map(takers.map(({ request, claims, more }) => [request, { claims, more }])),
  };
}

function leastServed(places: readonly Place[], except: ReadonlySet<Place>): Place | null {
  let least: Place | null = null;
  for (const place of places) {
    if (except.has(place)) continue;
    if (least === null || place.taker.claims.length < least.taker.claims.length) least = place;
  }
  return least;
}
