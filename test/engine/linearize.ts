/**
 * Operations that ran at the same time have no one outcome that is right: right is what some order of them explains,
 * each with the answer that it got, up to what is stored in the end. Looks for such an order.
 */
import { isDeepStrictEqual } from 'node:util';
import { formatClaimId, parseClaimId } from '../../src/domain/claim-id.ts';
import type { Part, Round } from './model.ts';
import { expectedWorld, type Stored, storedWorld } from './model-checks.ts';
import type { Told } from './model-servers.ts';
import type { OracleClaim, OracleWorld } from './oracle-claims.ts';
import { newClaim } from './random-claims.ts';

// More than 4 operations in 8 parts need, whatever they are.
const MOST_TRIES = 20_000;

export interface Explained {
  /** The world after an order that explains everything; null: there is none. */
  world: OracleWorld | null;
  /** What was wrong with the orders that were tried. */
  reasons: string[];
  tried: number;
}

/** Looks for an order of the parts that explains their answers and what is stored. */
export function explain(
  world: OracleWorld,
  parts: readonly Part[],
  { stored, told }: { stored: Stored; told: readonly Told[] },
): Explained {
  const reasons = new Set<string>();
  const target = storedWorld(stored);
  let tried = 0;
  const search = (now: OracleWorld, left: readonly Part[], round: Round): OracleWorld | null => {
    if (left.length === 0) {
      const expected = expectedWorld(now);
      if (isDeepStrictEqual(expected, target)) return now;
      reasons.add(`stored otherwise: ${firstDifference(target, expected)}`);
      return null;
    }
    for (const part of left) {
      if (part.after.some((before) => left.includes(before)) || tried > MOST_TRIES) continue;
      tried += 1;
      const next = structuredClone(now);
      const wrong = part.apply(next, round);
      if (wrong !== null) reasons.add(wrong);
      const found =
        wrong === null
          ? search(
              next,
              left.filter((other) => other !== part),
              round,
            )
          : null;
      if (found) return found;
    }
    return null;
  };
  for (const unseen of assignments(unseenClaims(world, stored, told), parts)) {
    const found = search(world, parts, { concurrent: true, rows: stored.rows, unseen });
    if (found) return { world: found, reasons: [], tried };
  }
  return { world: null, reasons: [...reasons], tried };
}

type Key = { job_id: string; ordinal: number; claim_id: string; attempt: number };

/** Claims that are stored and were told to nobody. */
function unseenClaims(world: OracleWorld, { rows }: Stored, told: readonly Told[]): Key[] {
  const seen = new Set(world.claims.keys());
  for (const { json } of told)
    for (const { id } of [...(json?.data ?? []), ...(json?.claims ?? [])])
      seen.add(parseClaimId(String(id))?.claim_id ?? '');
  const all = [...rows.steps.values(), ...rows.attempts.values()].flat() as unknown as Key[];
  const unseen = all.filter(({ claim_id }) => claim_id !== null && !seen.has(claim_id));
  return [...new Map(unseen.map((key) => [key.claim_id, key])).values()];
}

/** Every way to say which request was granted them. */
function* assignments(unseen: readonly Key[], parts: readonly Part[]): Generator<Map<Part, OracleClaim[]>> {
  const [key, ...rest] = unseen;
  if (!key) {
    yield new Map();
    return;
  }
  for (const others of assignments(rest, parts)) {
    for (const part of parts) {
      if (!part.grants) continue;
      const claim = newClaim({ ...key, wire: formatClaimId(key) }, part.grants);
      yield new Map(others).set(part, [...(others.get(part) ?? []), claim]);
    }
  }
}

/** Where two trees part, as a path and both values. */
export function firstDifference(a: unknown, b: unknown, path = ''): string | null {
  if (isDeepStrictEqual(a, b)) return null;
  const isTree = (value: unknown) => typeof value === 'object' && value !== null;
  if (!isTree(a) || !isTree(b)) return `${path} is ${JSON.stringify(a)}, expected ${JSON.stringify(b)}`;
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const name = [...new Set([...Object.keys(left), ...Object.keys(right)])].find(
    (key) => !isDeepStrictEqual(left[key], right[key]),
  );
  return firstDifference(left[name ?? ''], right[name ?? ''], `${path}/${name}`);
}
