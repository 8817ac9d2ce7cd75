/** Random requests of clients and operators: submits with keys, verbs, workers that come, drain and go; log lines. */
import { sql } from 'kysely';
import type { Store } from '../../src/database/store.ts';
import { parseClaimId } from '../../src/domain/claim-id.ts';
import { atOnce, type Model, type Operation, type Part, type Submitted, unlike } from './model.ts';
import type { Told } from './model-servers.ts';
import * as oracle from './oracle.ts';
import * as claims from './oracle-claims.ts';
import { definitionOf, REMOTE_QUEUES, REMOTE_USES, randomRemotePlan } from './random-jobs.ts';
import { pickClaims } from './random-picks.ts';

const MOST_OPEN = 6;

const openJobs = ({ oracle: world }: Model) => [...world.jobs.values()].filter((job) => !oracle.isOver(job));

/** A new job or two, most often under a key. */
export function submit(model: Model): Operation | null {
  const { random, sent } = model;
  if (openJobs(model).length >= MOST_OPEN) return null;
  const batch = random.chance(0.3);
  const plans = Array.from({ length: batch ? 2 : 1 }, () => randomRemotePlan(random));
  const definitions = plans.map((plan) => definitionOf(plan, random));
  model.made += 1;
  const key = random.chance(0.7) ? `key-${model.made}` : '';
  const body = batch ? { jobs: definitions } : (definitions[0] as object);
  const submitted = { key, plans, body, batch };
  if (key !== '') sent.submits.push(submitted);
  return submitOf(submitted);
}

/** A submit that was sent before: the same, or another body under its key. */
export function submitAgain(model: Model): Operation | null {
  const { random, sent } = model;
  const before = sent.submits.at(-1 - random.below(Math.min(6, sent.submits.length || 1)));
  if (!before) return null;
  if (random.chance(0.6)) return submitOf(before);
  // While all its jobs are there, a key is taken for everybody else, as a batch and alone.
  const jobs = model.oracle.keys.get(before.key)?.jobs ?? [];
  if (model.concurrent || jobs.length === 0 || !jobs.every((id) => model.oracle.jobs.has(id))) return null;
  const plan = randomRemotePlan(random);
  const body = { ...definitionOf(plan, random), name: 'another' };
  const batch = random.chance(0.3);
  return submitOf({ key: before.key, plans: [plan], body: batch ? { jobs: [body] } : body, batch });
}

export function submitOf({ key, plans, body, batch }: Submitted): Operation {
  const path = batch ? '/v1/jobs/batch' : '/v1/jobs';
  return atOnce(
    `submit ${path} ${key}: ${JSON.stringify(plans)}`,
    (server) => server.call('POST', path, body, key === '' ? {} : { 'idempotency-key': key }),
    (told, world, round) => {
      const before = world.keys.get(key);
      const left = (before?.jobs ?? []).filter((id) => world.jobs.has(id));
      const isSame = before?.body === JSON.stringify(body);
      if (left.length > 0 && !isSame)
        return unlike('a taken key', [told.status, told.json.code], [422, 'idempotency_conflict']);
      const ids = idsOf(told, batch);
      const replayed = told.headers['idempotency-replayed'] === 'true';
      if (left.length > 0) return unlike('a submit again', [told.status, replayed, ids], [200, true, left]);
      // A job that was deleted before its answer was made is not in it.
      if (round.concurrent && ids.length < plans.length) return 'a new job is missing from its answer';
      const wrong = unlike('a submit', [told.status, replayed, ids.length], [202, false, plans.length]);
      if (wrong !== null) return wrong;
      for (const [at, id] of ids.entries()) world.jobs.set(id, oracle.submit(id, plans[at] as oracle.Plan));
      if (key !== '') world.keys.set(key, { body: JSON.stringify(body), jobs: ids });
      return null;
    },
  );
}

function idsOf({ json }: Told, batch: boolean): string[] {
  if (!batch) return json.id === undefined ? [] : [json.id];
  return ((json.data ?? []) as { id: string }[]).map(({ id }) => id);
}

type Verb = 'pause' | 'resume' | 'cancel' | 'retry' | 'delete';

/** A verb on one job, whether it is lawful just now or not: then it must say so and change nothing. */
export function verb(model: Model): Operation | null {
  const { random, oracle: world } = model;
  const jobs = [...world.jobs.values()];
  if (jobs.length === 0) return null;
  // The busy ones are where it matters.
  const busy = jobs.filter(({ status }) => status === 'running' || status === 'failed');
  const { id } = random.pick(busy.length > 0 && random.chance(0.6) ? busy : jobs);
  return verbOn(random.pick(['pause', 'resume', 'cancel', 'retry', 'delete'] as const), id);
}

export function verbOn(name: Verb, id: string): Operation {
  return atOnce(
    `${name} ${id}`,
    (server) => {
      if (name === 'delete') return server.call('DELETE', `/v1/jobs/${id}`);
      return server.call('POST', `/v1/jobs/${id}/${name}`, name === 'cancel' ? { reason: 'not wanted' } : {});
    },
    (told, world, round) => {
      const job = world.jobs.get(id);
      const expected = refusalOf(name, job?.status ?? null);
      const { code } = told.json ?? {};
      // It was done, and then deleted, before the answer was made.
      const gone = round.concurrent && code === 'job_not_found' && !round.rows.jobs.has(id);
      if (!gone && (code ?? null) !== expected)
        return unlike(`${name} of a ${job?.status} job`, code, expected);
      if (expected === null && job) apply(world, name, job);
      return null;
    },
  );
}

function refusalOf(name: Verb, from: string | null): string | null {
  if (from === null) return 'job_not_found';
  const over = oracle.isOver({ status: from });
  if (name === 'delete') return over ? null : 'job_not_terminal';
  if (name === 'retry') return from === 'failed' || from === 'cancelled' ? null : 'job_not_retryable';
  if (name === 'cancel' && from === 'cancelled') return null;
  return over ? 'job_terminal' : null;
}

function apply(world: claims.OracleWorld, name: Verb, job: oracle.OracleJob): void {
  if (name === 'delete') world.jobs.delete(job.id);
  else if (name === 'retry') oracle.retry(job);
  else if (name === 'pause' && job.status !== 'paused') oracle.pause(job);
  else if (name === 'resume' && job.status === 'paused') oracle.resume(job);
  else if (name === 'cancel' && job.status !== 'cancelled')
    oracle.stop(job, 'cancelled', 'not wanted', 'job_cancelled');
}

const MOST_WORKERS = 4;

/** A worker comes, as long as there are few. */
export function register(model: Model): Operation | null {
  const { random, oracle: world } = model;
  if ([...world.workers.values()].filter(({ command }) => command === 'run').length >= MOST_WORKERS)
    return null;
  const uses = random.chance(0.7) ? [...REMOTE_USES] : [random.pick(REMOTE_USES)];
  const queues = random.chance(0.7) ? null : [random.pick(REMOTE_QUEUES)];
  return registerAs(model, uses, queues);
}

/** `POST /v1/workers`. */
export function registerAs({ random }: Model, uses: string[], queues: string[] | null): Operation {
  const more = { labels: { zone: random.pick(['a', 'b']) }, ...(queues === null ? {} : { queues }) };
  return atOnce(
    `register ${uses} ${queues}`,
    (server) => server.call('POST', '/v1/workers', { name: 'model', uses, ...more }),
    ({ status, json }, world) => {
      world.workers.set(json.id, { id: json.id, uses, queues, command: 'run' });
      return unlike('a registration', [status, json.uses, json.labels], [201, uses, more.labels]);
    },
  );
}

/** `POST /v1/workers/{id}/drain`: of one that was removed it changes nothing. */
export function drain(model: Model): Operation | null {
  const id = model.random.pick([...model.oracle.workers.keys()]);
  if (id === undefined) return null;
  return atOnce(
    `drain ${id}`,
    (server) => server.call('POST', `/v1/workers/${id}/drain`),
    ({ status }, world) => {
      const worker = world.workers.get(id);
      if (worker?.command === 'run') worker.command = 'drain';
      return unlike('a drain', status, worker ? 200 : 404);
    },
  );
}

/** `DELETE /v1/workers/{id}`: its steps go back job by job, after it has been told. */
export function remove(model: Model): Operation | null {
  const { random, oracle: world } = model;
  const id = random.pick([...world.workers.keys()]);
  if (id === undefined) return null;
  const held = [...world.claims.values()].filter((one) => one.worker === id && claims.isHeld(world, one));
  const jobs = [...new Set(held.map(({ job }) => job))];
  if (model.concurrent && jobs.length > 2) return null;
  return {
    what: `remove ${id}`,
    send: (server) => server.call('DELETE', `/v1/workers/${id}`),
    parts: ({ status, json }) => {
      const stop: Part = {
        after: [],
        apply(world) {
          const worker = world.workers.get(id);
          if (worker) worker.command = 'stop';
          return unlike('a removal', status, worker ? 200 : 404);
        },
      };
      let released = 0;
      const back = (of: (job: string) => boolean, after: Part[]): Part => ({
        after,
        apply(world, { concurrent }) {
          released += claims.giveBack(world, id, of);
          return concurrent ? null : unlike('released', json.released, released);
        },
      });
      if (!model.concurrent) return [stop, back(() => true, [stop])];
      const each = jobs.map((job) => back((one) => one === job, [stop]));
      return [stop, ...each, back((one) => !jobs.includes(one), [stop])];
    },
  };
}

/** `POST /v1/claims/{id}/log`: with and without an offset, twice, with a gap, and after the log was closed. */
export function log(model: Model): Operation | null {
  const { random, oracle: world } = model;
  const id = parseClaimId(pickClaims(model, 1)[0] ?? '')?.claim_id;
  const claim = world.claims.get(id ?? '');
  if (!claim) return null;
  const text = 'x'.repeat(random.below(4)) + random.pick(['ab', 'c', '']);
  const length = world.logs.get(`${claim.job}/${claim.ordinal}/${claim.attempt}`)?.length ?? 0;
  const offset = random.chance(0.3) ? null : Math.max(0, length + 2 - random.below(5));
  const close = !model.concurrent && random.chance(0.3);
  return atOnce(
    `log ${claim.id} at ${offset}: "${text}"${close ? ', later' : ''}`,
    async (server) => {
      const query = offset === null ? '' : `?offset=${offset}`;
      return await server.call('POST', `/v1/claims/${claim.wire}/log${query}`, text);
    },
    ({ status, json }, world) => {
      const end = claims.endOf(world, world.claims.get(claim.id));
      const refusal = claims.refusalOf(end);
      const told = [status, json.code];
      // Until 10 s after its end the log takes lines; how long ago that was only the database knows.
      const mayBeOver = end.kind !== 'running';
      const isRefused =
        (close && mayBeOver) || end.kind === 'unknown' || (mayBeOver && json.code === refusal.code);
      if (isRefused) return unlike('a log of old', told, [refusal.status, refusal.code]);
      const added = claims.append(world, claim, offset, text);
      if ('next' in added) return unlike('a log', [status, json.next_offset], [200, added.next]);
      return unlike('a log', [...told, json.expected_offset], [409, 'expected_offset', added.gap]);
    },
    { prepare: close ? (store) => letClose(store, claim.id) : undefined },
  );
}

/** A minute passes since the end of a claim. */
async function letClose({ db }: Store, claimId: string): Promise<void> {
  const ago = sql`clock_timestamp() - interval '1 minute'`;
  for (const table of ['step', 'attempt']) {
    await sql`update ${sql.table(table)}
      set finished_at = least(finished_at, ${ago}), started_at = least(started_at, ${ago})
      where claim_id = ${claimId} and finished_at is not null`.execute(db);
  }
}
