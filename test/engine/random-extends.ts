/** Random extends and heartbeats of remote workers, with what they report of their progress. */
import { atOnce, type Model, type Operation, type Round, unlike } from './model.ts';
import * as oracle from './oracle.ts';
import * as claims from './oracle-claims.ts';
import { TTLS_S } from './random-claims.ts';
import { idOf, pickClaims } from './random-picks.ts';

/** `POST /v1/claims/extend`, or a worker's heartbeat that lists its claims. */
export function extend(model: Model): Operation | null {
  const { random, oracle: world } = model;
  const wires = pickClaims(model, 1 + random.below(4));
  const worker = random.pick([...world.workers.keys()]);
  if (wires.length === 0 || worker === undefined) return null;
  const beat = random.chance(0.3);
  const listed = [...new Set(wires)].map((id) => ({
    id,
    ...(!beat && random.chance(0.5) ? { ttl: random.pick(TTLS_S) } : {}),
    ...(!model.concurrent && random.chance(0.4) ? { progress: random.below(5) / 4 } : {}),
  }));
  const path = beat ? `/v1/workers/${worker}/heartbeat` : '/v1/claims/extend';
  return atOnce(
    `${path} ${listed.map(({ id, ttl, progress }) => `${idOf(id)} ${ttl ?? ''} ${progress ?? ''}`).join(', ')}`,
    (server) => server.call('POST', path, { claims: listed }),
    (told, world, round) => {
      const command = beat ? world.workers.get(worker)?.command : 'run';
      if (command === undefined) return unlike('a heartbeat of nobody', told.json.code, 'worker_not_found');
      if (beat && !round.concurrent && told.json.command !== command)
        return unlike('the command of a heartbeat', told.json.command, command);
      if (told.status !== 200) return `extends were answered ${told.status}`;
      const actions = listed.map((one) => (command === 'stop' ? 'lost' : keep(world, one, round)));
      const answers = (told.json.claims ?? told.json.data) as { action: string; expires_in_ms: number }[];
      return unlike(
        'extends',
        answers.map(({ action }) => action),
        actions,
      );
    },
    { transactions: 1 },
  );
}

function keep(
  world: claims.OracleWorld,
  { id, ttl, progress }: { id: string; ttl?: number; progress?: number },
  round: Round,
): string {
  const ttl_ms = ttl === undefined ? null : ttl * 1000;
  const action = claims.extend(world, idOf(id), { ttl_ms, surely: !round.concurrent });
  const claim = world.claims.get(idOf(id));
  const step = claim && claims.stepOf(world, claim);
  if (action === 'continue' && claim && step && progress !== undefined)
    oracle.report(world.jobs.get(claim.job) as oracle.OracleJob, step, progress);
  return action;
}

/** `POST /v1/claims/{id}/extend`: refused where the batch says `lost`. */
export function extendOne(model: Model): Operation | null {
  const [wire] = pickClaims(model, 1);
  if (wire === undefined) return null;
  const ttl = model.random.pick([...TTLS_S, undefined]);
  return atOnce(
    `extend ${idOf(wire)} for ${ttl}`,
    (server) => server.call('POST', `/v1/claims/${wire}/extend`, ttl === undefined ? {} : { ttl }),
    (told, world, round) => {
      const end = claims.endOf(world, world.claims.get(idOf(wire)));
      const action = keep(world, { id: wire, ...(ttl === undefined ? {} : { ttl }) }, round);
      const refusal = claims.refusalOf(end);
      const { status, json } = told;
      if (action !== 'lost') return unlike('an extend', [status, json.action], [200, action]);
      return unlike(
        'an extend',
        [status, json.code, json.reason],
        [refusal.status, refusal.code, refusal.reason],
      );
    },
  );
}
