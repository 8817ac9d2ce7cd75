/** Claims to speak about: those that run, those that are over and those that never were. */
import { randomUUID } from 'node:crypto';
import { formatClaimId, parseClaimId } from '../../src/domain/claim-id.ts';
import type { Model } from './model.ts';
import * as claims from './oracle-claims.ts';

/** What the database calls the claim that the wire calls so. */
export const idOf = (wire: string) => parseClaimId(wire)?.claim_id ?? '';

/** Ids of claims as the wire has them: most run, some are over, now and then one that never was. */
export function pickClaims(model: Model, count: number): string[] {
  const { random, oracle: world } = model;
  const all = [...world.claims.values()];
  const running = all.filter((claim) => claims.isHeld(world, claim));
  const over = all.filter((claim) => !claims.isHeld(world, claim));
  // Claims of steps that run again: by these the new attempt could be ended.
  const stale = over.filter((claim) => claims.stepOf(world, claim)?.status === 'running');
  const picked = random.shuffle(running);
  if (over.length > 0 && random.chance(0.2)) picked.unshift(random.pick(over.slice(-12)));
  if (stale.length > 0 && random.chance(0.5)) picked.unshift(random.pick(stale));
  const wires = picked.map(({ wire }) => wire);
  const some = running[0];
  if (some && random.chance(0.05))
    wires.unshift(formatClaimId({ job_id: some.job, ordinal: some.ordinal, claim_id: randomUUID() }));
  return random.shuffle(wires.slice(0, count));
}
