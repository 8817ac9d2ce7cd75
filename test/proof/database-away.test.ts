import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ActionContext, Worker } from '../../client/src/index.ts';
import { livePostmaster } from '../../src/database/embedded/pid-file.ts';
import { allSteps, getStep, submit, untilJob } from '../server/steps-that-count.ts';
import { type Answer, type Anything, send } from '../support/api.ts';
import { newDataDir, type Owner, query, startOwner, until, urlOf } from '../support/embedded.ts';
import { type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';

/** The database dies under remote workers and stays away for longer than an outcome waits for it. */

const TTL_MS = 5_000;
// So long an outcome waits for the database before its worker is told that it is away.
const PATIENCE_MS = 10_000;

let owner: Owner;
let server: ServerProcess;
let long: Worker;
let short: Worker;
let hand: string;
let id: string;
let back: { at: string };
/** What the actions of the client's workers got, by step. */
const runs = new Map<string, (ActionContext & { end(output: unknown): void })[]>();
const claims: Record<string, string> = {};
/** What was answered while the database was away. */
let away: Record<'submit' | 'read' | 'claim' | 'extend' | 'batch' | 'heartbeat' | 'complete', Answer>;
let waitedMs = 0;

const post = (path: string, body?: object) => send(server.port, 'POST', `/v1${path}`, { body });

/** Says when it runs, and ends when it is told to or its signal is. */
function action(context: ActionContext): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const { step } = context.claim;
    runs.set(step, [...(runs.get(step) ?? []), { ...context, end: resolve }]);
    if (step === 'expiring' && context.claim.attempt > 1) resolve('again');
    context.signal.addEventListener('abort', () => reject(context.signal.reason));
  });
}

function startWorker(name: string, ttlMs: number): Worker {
  const usual = { server: server.url, concurrency: 5, handleSignals: false, onEvent: () => {} };
  return new Worker({ ...usual, name, ttlMs, actions: { [name]: action } });
}

/** What is due from each worker once the database is back is on its way before it is away. */
async function whileItIsAway(): Promise<void> {
  const [claim] = [claims['told'], claims['kept']];
  const sentAt = performance.now();
  const completed = post(`/claims/${claim}/complete`, { output: 'told' }).then((answer) => {
    waitedMs = performance.now() - sentAt;
    return answer;
  });
  // Of the client's worker: nobody can take it yet.
  runs.get('ending')?.[0]?.end('ended');
  const kept = claims['kept'] as string;
  const [submitted, read, claimed, extended, batch, heartbeat] = await Promise.all([
    post('/jobs', { name: 'x', uses: 'hand' }),
    send(server.port, 'GET', `/v1/jobs/${id}`),
    post('/claims', { worker_id: hand, uses: ['none'] }),
    post(`/claims/${kept}/extend`),
    post('/claims/extend', { claims: [{ id: kept }] }),
    post(`/workers/${hand}/heartbeat`, { claims: [{ id: kept }] }),
  ]);
  away = {
    ...{ submit: submitted, read, claim: claimed, extend: extended, batch, heartbeat },
    complete: await completed,
  };
}

beforeAll(async () => {
  const folder = newDataDir();
  owner = await startOwner(folder);
  // Also on a machine that has much else to do.
  server = await startServer({ DATABASE_URL: urlOf(owner.connection), CLAIM_TTL: `${TTL_MS}ms` }, 60_000);
  hand = (await post('/workers', { name: 'hand', uses: ['hand'] })).json.id;
  [long, short] = [startWorker('long', 60_000), startWorker('short', 2_000)];
  await Promise.all([long.start(), short.start()]);
  id = await submit(server, {
    name: 'away',
    steps: [
      ...['told', 'kept'].map((name) => ({ name, uses: 'hand' })),
      ...['ending', 'lasting'].map((name) => ({ name, uses: 'long' })),
      { name: 'expiring', uses: 'short' },
      { name: 'last', uses: 'long', needs: ['told', 'kept', 'ending', 'lasting', 'expiring'] },
    ],
  });
  for (const claim of (await post('/claims', { worker_id: hand, max: 2, wait: '10s' })).json.data)
    claims[claim.step] = claim.id;
  await until(() => Object.keys(claims).length === 2 && runs.size === 3);

  const cluster = join(folder, 'postgres');
  const postmaster = livePostmaster(cluster) as number;
  // Held still, the owner does not start it again at once.
  process.kill(owner.pid, 'SIGSTOP');
  process.kill(postmaster, 'SIGQUIT');
  await until(() => livePostmaster(cluster) === undefined);
  await whileItIsAway();
  process.kill(owner.pid, 'SIGCONT');
  // As a worker does that tries again and again: it has a whole ttl for it.
  await until(async () => (await post(`/claims/${claims['kept']}/extend`)).status !== 503);
  [back] = (await query(owner, 'select pg_postmaster_start_time() as at')) as [{ at: string }];
}, 120_000);

afterAll(async () => {
  await Promise.all([long?.stop({ graceMs: 0 }), short?.stop({ graceMs: 0 })]);
  await stopEverything();
}, 60_000);

describe('while the database is away', () => {
  it('every request is answered with 503 and when to come again, an outcome after it has waited for it', () => {
    for (const [name, { status, headers, json }] of Object.entries(away)) {
      expect([status, json.code], name).toEqual([503, 'database_unavailable']);
      expect(headers['retry-after'], name).toMatch(/^\d+$/);
    }
    expect(waitedMs).toBeGreaterThanOrEqual(PATIENCE_MS - 50);
    expect(away.complete.json.detail).toMatch('it is kept and tried again');
  });

  it('a worker of the client goes on under a claim that lasts, and drops what it must assume lost', () => {
    expect(runs.get('lasting')?.[0]?.signal.aborted).toBe(false);
    expect(runs.get('expiring')?.[0]?.signal.reason).toMatchObject({ reason: 'expired' });
  });
});

describe('once it is back', () => {
  it('a claim that expired meanwhile still stands: its worker has a whole CLAIM_TTL to extend it', async () => {
    const extended = await post(`/claims/${claims['kept']}/extend`);
    expect(extended.json).toMatchObject({ action: 'continue' });
    const ended = await post(`/claims/${claims['kept']}/complete`, { output: 'kept' });
    expect([ended.status, ended.json.outcome]).toEqual([200, 'succeeded']);
    // The one that nobody extends any more is given back, not before.
    await until(
      async () => (await getStep(server, id, 'expiring')).losses === 1 || runs.get('expiring')?.length === 2,
    );
    const [first] = (await getStep(server, id, 'expiring')).attempts;
    expect(first.outcome).toBe('lost');
    expect(Date.parse(first.finished_at) - new Date(back.at).getTime()).toBeGreaterThanOrEqual(TTL_MS);
  });

  it('outcomes that were kept are written, nothing else is lost, and each step has run once', async () => {
    await until(async () => (await getStep(server, id, 'told')).status === 'succeeded');
    runs.get('lasting')?.[0]?.end('lasted');
    await until(() => runs.get('last') !== undefined);
    runs.get('last')?.[0]?.end('last');
    await untilJob(server, id, ({ status }) => status === 'succeeded');
    // Said again, it has its first answer.
    expect((await post(`/claims/${claims['told']}/complete`, { output: 'other' })).json.outcome).toBe(
      'succeeded',
    );
    const steps = await allSteps(server, id);
    const seen = steps.map(({ name, attempt, output }: Anything) => [name, attempt, output]);
    expect(seen).toEqual([
      ['told', 1, 'told'],
      ['kept', 1, 'kept'],
      ['ending', 1, 'ended'],
      ['lasting', 1, 'lasted'],
      ['expiring', 2, 'again'],
      ['last', 1, 'last'],
    ]);
    expect([...runs].map(([name, { length }]) => [name, length]).sort()).toEqual([
      ['ending', 1],
      ['expiring', 2],
      ['last', 1],
      ['lasting', 1],
    ]);
  });
});
