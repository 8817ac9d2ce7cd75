/** Random requests of remote workers for claims, and what the rules say of their answers. */
import { sql } from 'kysely';
import type { Store } from '../../src/database/store.ts';
import { parseClaimId } from '../../src/domain/claim-id.ts';
import type { Model, Operation, Part, Round } from './model.ts';
import { unlike } from './model.ts';
import type { Told } from './model-servers.ts';
import * as claims from './oracle-claims.ts';
import { REMOTE_QUEUES, REMOTE_USES } from './random-jobs.ts';

/** So far apart that a stored expiry shows which of them it came from. */
export const TTLS_S = [1200, 2400, 3600] as const;

export interface Ask {
  worker_id: string;
  request_id?: string;
  uses?: string[];
  queues?: string[];
  max?: number;
  ttl: number;
}

/** What a claim of an answer stands for. */
interface ToldClaim {
  id: string;
  job_id: string;
  uses: string;
  queue: string;
  attempt: number;
  expires_in_ms: number;
}

export function randomAsk(model: Model, repeats = 0.25): Ask {
  const { random, sent, oracle } = model;
  // A server may believe for some seconds that a worker is there that was forgotten after a day of silence.
  const before = (sent.claims as Ask[]).filter(({ worker_id }) => oracle.workers.has(worker_id));
  if (before.length > 0 && random.chance(repeats)) {
    // Above all one whose claims still run: that is where more could be granted.
    const open = before.filter(
      (one) => claims.givenTo(oracle, one.worker_id, one.request_id ?? null).length > 0,
    );
    const again = random.pick(open.length > 0 ? open : before.slice(-6));
    // The same request under other terms is still the same request.
    if (random.chance(0.6)) return again;
    return {
      ...freshAsk(model),
      worker_id: again.worker_id,
      request_id: again.request_id ?? `r${model.made}`,
    };
  }
  const ask = freshAsk(model);
  if (random.chance(0.03)) ask.worker_id = '00000000-0000-4000-8000-000000000000';
  sent.claims.push(ask);
  return ask;
}

function freshAsk(model: Model): Ask {
  const { random, oracle } = model;
  model.made += 1;
  const worker = random.pick([...oracle.workers.keys()]);
  return {
    worker_id: worker ?? '00000000-0000-4000-8000-000000000000',
    ...(random.chance(0.75) ? { request_id: `r${model.made}` } : {}),
    ...(random.chance(0.25) ? { uses: [...random.some(REMOTE_USES, 0.6), 'other'] } : {}),
    ...(random.chance(0.25) ? { queues: [random.pick(REMOTE_QUEUES)] } : {}),
    max: 1 + random.below(3),
    ttl: random.pick(TTLS_S),
  };
}

/** `POST /v1/claims`, also one that was sent before, and by workers that are drained, removed or unknown. */
export function claim(model: Model, ask: Ask = randomAsk(model)): Operation {
  return {
    what: `claim ${JSON.stringify(ask)}`,
    prepare: model.concurrent ? undefined : (store) => setTurns(model, store),
    send: (server) => server.call('POST', '/v1/claims', { ...ask, wait: 0 }),
    parts: (told) => [claimPart(model, ask, { told, after: [], fromQueue: true })],
  };
}

/** Whose turn it is goes by the clock; here by what a seed decides, so that it replays. */
async function setTurns({ oracle }: Model, { db }: Store): Promise<void> {
  await sql`update step set turn = to_timestamp(100 * array_position(${sql.val([...oracle.jobs.keys()])}::uuid[], job_id)
    + ordinal) where status = 'ready'`.execute(db);
}

/** The part of an answer that grants claims. `fromQueue`: as many as there is room for, best first. */
export function claimPart(
  model: Model,
  ask: Ask,
  options: { told: Told; after: Part[]; fromQueue: boolean },
): Part {
  const { told, after, fromQueue } = options;
  const list = (told.json.claims ?? told.json.data ?? []) as ToldClaim[];
  const grants = { worker: ask.worker_id, request: ask.request_id ?? null, ttl_ms: ask.ttl * 1000 };
  const part: Part = {
    after,
    grants,
    apply(world, round) {
      const worker = world.workers.get(ask.worker_id);
      if (!worker)
        return unlike('a claim of nobody', [told.status, told.json.code], [404, 'worker_not_found']);
      if (told.status !== 200) return `a claim was answered ${told.status} ${told.json.code}`;
      const command = checkCommand(model, worker.command, told.json.command, round);
      if (command !== null) return command;
      const given = claims.givenTo(world, ask.worker_id, grants.request);
      const extra = round.unseen.get(part) ?? [];
      if (given.length > 0) return extra.length > 0 ? 'granted more' : checkGivenAgain(list, given, round);
      const fresh = [...list.map((one) => grantedClaim(one, grants)), ...extra];
      const room = worker.command === 'run' ? (ask.max ?? 1) : 0;
      const queues = ask.queues ?? worker.queues;
      const fit = claims.takeable(world, ask.uses ?? worker.uses, queues);
      const wrong = checkGranted(fresh, fit, { room, round, fromQueue });
      if (wrong !== null) return wrong;
      for (const one of fresh) {
        const refused = claims.grant(world, one);
        if (refused !== null) return refused;
      }
      return checkExpiry(list, ask.ttl * 1000);
    },
  };
  return part;
}

// A server believes for some seconds what it last knew of a worker; what is granted goes by the truth.
function checkCommand(model: Model, truth: string, told: string, round: Round): string | null {
  const order = ['run', 'drain', 'stop'];
  const isOlder = order.indexOf(told) < order.indexOf(truth);
  if (round.concurrent || (isOlder && model.servers.length > 1)) return null;
  return unlike('the command', told, truth);
}

function checkGivenAgain(
  list: readonly ToldClaim[],
  given: readonly claims.OracleClaim[],
  { concurrent, rows }: Round,
): string | null {
  const told = new Set(list.map(({ id }) => id));
  const more = list.filter(({ id }) => !given.some(({ wire }) => wire === id));
  if (more.length > 0) return `a repeated request was granted ${more.length} more`;
  const missing = given.filter(({ wire }) => !told.has(wire));
  // While the answer was made, they may have ended.
  const runs = ({ job, ordinal, id }: claims.OracleClaim) => {
    const row = rows.steps.get(job)?.[ordinal];
    return row?.status === 'running' && row.claim_id === id;
  };
  const kept = concurrent ? missing.filter(runs) : missing;
  return kept.length === 0 ? null : `a repeated request was not told of ${kept.length} claims that run`;
}

function grantedClaim(
  { id, job_id, attempt }: ToldClaim,
  grants: NonNullable<Part['grants']>,
): claims.OracleClaim {
  const key = parseClaimId(id);
  if (key === null || key.job_id !== job_id) throw new Error(`a claim was told whose id is ${id}`);
  return newClaim({ ...key, attempt, wire: id }, grants);
}

export function newClaim(
  key: { job_id: string; ordinal: number; claim_id: string; attempt: number; wire: string },
  { worker, request, ttl_ms }: NonNullable<Part['grants']>,
): claims.OracleClaim {
  const { job_id: job, ordinal, claim_id: id, attempt, wire } = key;
  return {
    ...{ id, wire, job, ordinal, attempt, worker, request, ttl_ms, valid_ms: ttl_ms },
    ...{ expired: 'no', said: null, removed: false },
  };
}

function checkGranted(
  fresh: readonly claims.OracleClaim[],
  fit: ReturnType<typeof claims.takeable>,
  { room, round, fromQueue }: { room: number; round: Round; fromQueue: boolean },
): string | null {
  const names = fit.map(({ job, step }) => `${job.id}/${step.ordinal}`);
  const told = fresh.map(({ job, ordinal }) => `${job}/${ordinal}`);
  if (told.length > room) return `granted ${told.length} of at most ${room}`;
  const other = told.filter((name) => !names.includes(name));
  if (other.length > 0) return `granted ${other.join()} which it may not take`;
  // Jobs that somebody else holds are passed over.
  if (round.concurrent) return null;
  if (fromQueue) return unlike('granted', told.sort(), names.slice(0, room).sort());
  return Math.min(room, names.length) > 0 && told.length === 0 ? 'granted nothing of what is ready' : null;
}

function checkExpiry(list: readonly ToldClaim[], ttlMs: number): string | null {
  const wrong = list.find(({ expires_in_ms }) => expires_in_ms > ttlMs || expires_in_ms < ttlMs - 60_000);
  return wrong ? `a claim for ${ttlMs} ms expires in ${wrong.expires_in_ms}` : null;
}
