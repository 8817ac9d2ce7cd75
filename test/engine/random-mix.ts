/** How often each operation of the larger model test comes up, and which of them run at the same time. */
import type { Model, Operation } from './model.ts';
import * as claims from './oracle-claims.ts';
import * as ask from './random-claims.ts';
import * as extending from './random-extends.ts';
import { REMOTE_USES } from './random-jobs.ts';
import * as smaller from './random-operations.ts';
import * as outcomes from './random-outcomes.ts';
import { pickClaims } from './random-picks.ts';
import * as requests from './random-requests.ts';
import * as time from './random-time.ts';

export { resumeAll } from './random-operations.ts';
export { verbOn } from './random-requests.ts';
export { settleExpiry, smallerWorld } from './random-time.ts';

/** What happens by itself, as the smaller model test has it. */
export type Happening = (world: smaller.World) => Promise<string>;
type Make = (model: Model) => Operation | null;

const MAKES: readonly [number, Make][] = [
  [9, requests.submit],
  [5, requests.submitAgain],
  [26, (model) => ask.claim(model)],
  [14, (model) => outcomes.outcome(model)],
  [12, (model) => outcomes.settle(model)],
  [5, extending.extend],
  [4, extending.extendOne],
  [5, requests.log],
  [5, requests.register],
  [1, requests.drain],
  [2, requests.remove],
  [1, time.prune],
  [4, time.letExpire],
  [4, time.rescue],
  [7, requests.verb],
];

const HAPPENS: readonly [number, Happening][] = [
  [5, (world) => smaller.wake(world)],
  [2, (world) => smaller.start(world)],
  [7, smaller.decide],
  [4, smaller.decideJobOutputs],
  [1, smaller.overrun],
];

/** One operation, or something that happens by itself; null: it does not apply just now. */
export function anyOperation(model: Model): Operation | Happening | null {
  model.concurrent = false;
  const all = [...MAKES, ...HAPPENS] as const;
  let at = model.random.below(all.reduce((sum, [weight]) => sum + weight, 0));
  for (const [index, [weight, make]] of all.entries()) {
    at -= weight;
    if (at < 0) return index < MAKES.length ? (make as Make)(model) : (make as Happening);
  }
  return null;
}

/** Two to four operations that belong together: the same one twice, or several about the same claims and jobs. */
export function operationsTogether(model: Model): Operation[] {
  model.concurrent = true;
  const { random } = model;
  const makes = random.pick(TOGETHER)(model);
  const chosen = makes.flatMap((make) => make(model) ?? []).slice(0, 4);
  model.concurrent = false;
  return chosen;
}

const ANY: Make = (model) =>
  model.random.pick<Make>([
    (world) => ask.claim(world),
    (world) => outcomes.outcome(world),
    (world) => outcomes.settle(world, 0),
    extending.extend,
    requests.verb,
    requests.submitAgain,
    requests.log,
    requests.remove,
    requests.drain,
  ])(model);

const TOGETHER: readonly ((model: Model) => Make[])[] = [
  // The same request for claims at several servers, and something else.
  (model) => {
    const one = ask.randomAsk(model);
    return [(world) => ask.claim(world, one), (world) => ask.claim(world, one), ANY, ANY];
  },
  // Several who want the same steps.
  () => Array.from({ length: 3 }, (): Make => (model) => ask.claim(model)),
  // Two outcomes of one claim, which may be the same, and its extend.
  (model) => {
    const [wire] = pickClaims(model, 1);
    return [
      (world) => outcomes.outcome(world, wire),
      (world) => outcomes.outcome(world, wire),
      extending.extend,
      ANY,
    ];
  },
  (model) => {
    const [wire] = pickClaims(model, 1);
    const said = outcomes.randomSaid(model);
    const same: Make = (world) => outcomes.outcome(world, wire, said);
    return [same, same, ANY];
  },
  // A verb on a job, or a rescue, while its steps end.
  () => [requests.verb, (model) => outcomes.outcome(model), (model) => outcomes.settle(model, 0), ANY],
  () => [requests.verb, requests.verb, (model) => ask.claim(model)],
  () => [time.rescue, extending.extend, (model) => outcomes.outcome(model), ANY],
  () => [requests.remove, (model) => ask.claim(model), (model) => outcomes.outcome(model)],
  // Many outcomes of one job at several servers: what follows from them must be counted once.
  () => Array.from({ length: 4 }, (): Make => (model) => outcomes.outcome(model)),
  // The same submit at several servers.
  (model) => {
    const made = requests.submit(model);
    return made === null ? [ANY, ANY] : [() => made, () => made, ANY];
  },
  () => [ANY, ANY, ANY],
];

/** A worker for everything. */
export function worker(model: Model): Operation {
  return requests.registerAs(model, [...REMOTE_USES], null);
}

export const HAPPENINGS_TO_THE_END: readonly Happening[] = [
  (world) => smaller.start(world, 1),
  (world) => smaller.wake(world, 1),
  smaller.decide,
  smaller.decideJobOutputs,
];

/** What is held succeeds, what is ready is claimed by the last worker that came; null: nothing is either. */
export function towardsTheEnd(model: Model): Operation | null {
  const { oracle } = model;
  const held = [...oracle.claims.values()].find((claim) => claims.isHeld(oracle, claim));
  const output = { n: model.random.below(10) };
  const said = { verb: 'complete', body: { output }, end: { kind: 'succeeded', output } } as const;
  if (held) return outcomes.outcome(model, held.wire, said);
  if (claims.takeable(oracle, REMOTE_USES, null).length === 0) return null;
  const last = [...oracle.workers.keys()].at(-1) as string;
  return ask.claim(model, { worker_id: last, max: 100, ttl: 3600 });
}
