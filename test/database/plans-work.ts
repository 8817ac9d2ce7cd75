import { randomUUID } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import type { Tables } from '../../src/database/tables.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import { pruneWorkers } from '../../src/operations/prune-workers.ts';
import { finishRemovals } from '../../src/operations/remove-worker.ts';
import { rescueExpired, rescueWorker } from '../../src/operations/rescue-steps.ts';
import { timeOutJobs } from '../../src/operations/time-out-jobs.ts';
import type { Anything } from '../support/api.ts';
import type { WholeServer } from './plans-server.ts';

const value = (name: string, more: JsonObject = {}) => ({ name, uses: 'value', with: 1, ...more });
const act = (name: string, fails: number, more: JsonObject = {}) => ({
  ...{ name, uses: 'act', with: { fails }, retry: { max_attempts: 3, delay: '5ms', jitter: false } },
  ...more,
});
const several = Array.from({ length: 4 }, (_, i) => `b${i}`);
const chain = Array.from({ length: 4 }, (_, i) => value(`s${i}`, i === 0 ? {} : { needs: [`s${i - 1}`] }));

/** Jobs that the server runs by itself, each for another way through the engine. */
const OWN: Record<string, JsonObject> = {
  single: { uses: 'value', with: 1 },
  chain: { steps: chain },
  fan: {
    input: { n: 2 },
    steps: [
      value('a', { with: '${{ input.n }}' }),
      ...several.map((name) => value(name, { needs: ['a'], with: '${{ steps.a.output }}' })),
      value('c', { needs: several, with: '${{ needs.map(n, n.output) }}' }),
    ],
    output: { all: '${{ steps.c.output }}' },
  },
  conditions: {
    steps: [
      value('a'),
      value('b', { needs: ['a'], if: 'steps.a.output > 1' }),
      value('c', { needs: ['b'] }),
      value('d', { needs: ['b', 'c'], if: '!failure()' }),
      value('e', { needs: ['a'], with: '${{ steps.a.output.missing }}', continue_on_error: true }),
    ],
  },
  retries: { steps: [act('a', 2), act('b', 0, { needs: ['a'] })] },
  fails: {
    steps: [
      act('a', 9),
      act('b', 9, { continue_on_error: true }),
      value('skipped', { needs: ['a'] }),
      value('further', { needs: ['skipped'] }),
      value('told', { needs: ['further'], if: 'failure()' }),
    ],
  },
  fail_fast: {
    fail_fast: true,
    steps: [act('a', 9, { retry: { max_attempts: 1 } }), { name: 'long', uses: 'wait', with: { for: '1h' } }],
  },
  max_parallel: { max_parallel: 2, steps: several.map((name) => act(name, 0)) },
  timer: { steps: [{ name: 'a', uses: 'wait', with: { for: '20ms' } }, value('b', { needs: ['a'] })] },
  later: { delay: '20ms', steps: [value('a'), act('b', 0)] },
};

const JOB = '/v1/jobs';

/** All that a server does, once over: jobs of its own pool, remote workers, verbs, and what time brings about. */
export async function playEngine(
  server: WholeServer,
  db: Kysely<Tables>,
  during: (what: string) => void,
): Promise<void> {
  for (const [name, definition] of Object.entries(OWN)) {
    during(`a job of its own: ${name}`);
    await server.ask('POST', `${JOB}?wait=20s`, { name, ...definition });
  }
  during('submits in batches and again');
  await playSubmits(server);
  during('remote workers');
  await playWorkers(server, db);
  during('verbs');
  await playVerbs(server);
  during('what time brings about');
  await playTime(server, db);
}

async function playSubmits({ ask }: WholeServer): Promise<void> {
  const one = { name: 'keyed', steps: chain };
  const many = {
    jobs: several.map((name) => ({ name, steps: [act('a', 0), value('b', { needs: ['a'] })] })),
  };
  for (const [path, body] of [
    [JOB, one],
    [`${JOB}/batch`, many],
  ] as const) {
    const headers = { 'idempotency-key': randomUUID() };
    await ask('POST', path, body, { headers });
    await ask('POST', path, body, { headers });
  }
}

/** Work for remote workers alone, in two queues. */
const REMOTE = {
  name: 'remote',
  steps: [
    ...['a', 'b', 'c', 'd'].map((name) => ({
      name,
      uses: 'resize',
      retry: { max_attempts: 3, delay: '0s' },
    })),
    { name: 'e', uses: 'publish', queue: 'fast', needs: ['a'] },
  ],
};

async function playWorkers({ ask, store }: WholeServer, db: Kysely<Tables>): Promise<void> {
  const uses = ['resize', 'publish'];
  const register = async (more: JsonObject) =>
    (await ask('POST', '/v1/workers', { name: 'remote', slots: 8, ...more })).id as string;
  const any = await register({ uses });
  const fast = await register({ uses, queues: ['fast', 'default'] });
  await ask('POST', `${JOB}/batch`, { jobs: [REMOTE, REMOTE, REMOTE] });
  const claim = async (worker_id: string, max: number, more: JsonObject = {}): Promise<Anything[]> =>
    (await ask('POST', '/v1/claims', { worker_id, max, wait: '2s', ...more })).data;
  const say = (one: Anything, verb: string, body: JsonObject = {}, expected?: number) =>
    ask('POST', `/v1/claims/${one.id}/${verb}`, body, expected === undefined ? {} : { expected });
  const request_id = randomUUID();
  const [first, second] = await claim(any, 2, { request_id });
  await claim(any, 2, { request_id });
  await say(first, 'extend', { ttl: '30s', progress: 0.2 });
  await ask('POST', '/v1/claims/extend', { claims: [first, second].map(({ id }) => ({ id })) });
  await ask('POST', `/v1/workers/${any}/heartbeat`, { claims: [{ id: first.id, progress: 0.4 }] });
  const headers = { 'content-type': 'text/plain' };
  await ask('POST', `/v1/claims/${first.id}/log?offset=0`, 'so far so good\n', { headers });
  await ask('POST', `/v1/claims/${first.id}/log`, 'and on\n', { headers });
  await say(first, 'complete', { output: { width: 3 } });
  await say(first, 'complete', { output: { width: 3 } });
  await say(first, 'fail', { error: { message: 'too late' } }, 409);
  await say(second, 'fail', { error: { message: 'not this time' } });
  const [third, fourth] = await claim(fast, 2, { queues: ['fast', 'default'] });
  await say(third, 'release');
  const outcomes = [{ id: fourth.id, output: 1 }];
  const settled = await ask('POST', '/v1/claims/settle', { outcomes, claim: { worker_id: any, max: 4 } });
  const [fifth, ...more] = settled.claims;
  await say(fifth, 'fail', { error: { message: 'for good' }, retryable: false });
  const [expired] = await claim(fast, 1);
  await sql`update step set claim_expires_at = now() - interval '1 second'
    where job_id = ${expired.job_id} and name = ${expired.step} and status = 'running'`.execute(db);
  await rescueExpired(store);
  await rescueWorker(store, fast);
  await ask('POST', '/v1/claims/settle', {
    outcomes: more.map(({ id }: Anything) => ({ id, error: { message: 'no' }, retryable: true })),
  });
  await claim(any, 3);
  await ask('DELETE', `/v1/workers/${any}`);
  await ask('DELETE', `/v1/workers/${fast}`);
  await finishRemovals(store);
}

async function playVerbs({ ask }: WholeServer): Promise<void> {
  const long = { name: 'long', uses: 'wait', with: { for: '1h' } };
  const submit = async (more: object) => (await ask('POST', JOB, { name: 'verbs', ...more })).id as string;
  const paused = await submit({ steps: [{ name: 'a', uses: 'nothing' }, long] });
  await ask('POST', `${JOB}/${paused}/pause`);
  await ask('POST', `${JOB}/${paused}/resume`);
  await ask('POST', `${JOB}/${paused}/cancel`, { reason: 'enough' });
  const failed = (await ask('POST', `${JOB}?wait=20s`, { name: 'verbs', ...OWN.fails })).id;
  await ask('POST', `${JOB}/${failed}/retry`);
  await ask('GET', `${JOB}/${failed}?wait=20s`);
  await ask('POST', `${JOB}/${paused}/retry`);
  await ask('POST', `${JOB}/${paused}/cancel`);
  for (const id of [paused, failed]) await ask('DELETE', `${JOB}/${id}`);
}

async function playTime({ ask, store }: WholeServer, db: Kysely<Tables>): Promise<void> {
  const { data } = await ask('POST', `${JOB}/batch`, {
    jobs: several.map((name) => ({ name, uses: 'nothing' })),
  });
  const ids = data.map(({ id }: Anything) => id);
  await sql`update job set deadline_at = now() - interval '1 second' where id = any(${ids})`.execute(db);
  await timeOutJobs(store);
  for (const id of ids) await ask('GET', `${JOB}/${id}?wait=5s`);
  await sql`update job set finished_at = now() - interval '30 days' where id = any(${ids})`.execute(db);
  await ask('DELETE', `${JOB}/cleanup?days=7&dry_run=true`);
  await ask('DELETE', `${JOB}/cleanup?days=7&status=failed`);
  await ask('DELETE', `${JOB}/cleanup?days=7`);
  await pruneWorkers(store);
}
