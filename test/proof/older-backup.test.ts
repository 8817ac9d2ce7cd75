import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ActionContext, Worker } from '../../client/src/index.ts';
import { createDatabase, createPool } from '../../src/database/connection.ts';
import { brokenInvariants, readRows } from '../engine/invariants.ts';
import { getStep, submit, untilJob } from '../server/steps-that-count.ts';
import { type Answer, type Anything, send } from '../support/api.ts';
import { COPYABLE, copyFolder, copyRunning } from '../support/copy-cluster.ts';
import { newDataDir, type Owner, startOwner, until, urlOf } from '../support/embedded.ts';
import { type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';
import { startWireProxy, type WireProxy } from '../support/wire-proxy.ts';

/**
 * The database goes back in time by some seconds: a copy of it takes over while servers and workers go on, as when a
 * standby is promoted that lacks the last commits; then the same copy is restored with everything stopped.
 */

const TTL_MS = 4_000;
const KEY = { headers: { 'idempotency-key': 'sent-again' } };

const scratch = newDataDir({ mode: 0o700 });
const file = (name: string) => join(scratch, name);
const linesOf = (name: string) =>
  existsSync(file(name)) ? readFileSync(file(name), 'utf8').split('\n').slice(0, -1) : [];

/** Writes its attempt and its pid down, then waits for a file. */
const script = (name: string, gate: string) => ({
  uses: 'shell',
  with: {
    run: `echo "$HOLDFAST_ATTEMPT $$" >> "$FILE"; while [ ! -e "$GATE" ]; do sleep 0.1; done`,
    env: { FILE: file(name), GATE: file(gate) },
  },
});

let proxy: WireProxy;
let copy: string;
let promoted: Owner;
let early: ServerProcess;
let late: ServerProcess;
let worker: Worker;
const runs: ActionContext[] = [];
/** By name: the jobs that are there in the copy, and what became of them after it was made. */
const ids: Record<'over' | 'chain' | 'held' | 'opened', string> = {
  over: '',
  chain: '',
  held: '',
  opened: '',
};
const claims: Record<string, string> = {};
let then: { over: Answer; chain: Answer };
let lostId: string;
let lostEtag: string;
let hand: string;

// Also on a machine that has much else to do.
const serve = (url: string) => startServer({ DATABASE_URL: url, CLAIM_TTL: `${TTL_MS}ms` }, 60_000);

const get = (server: ServerProcess, id: string, headers = {}) =>
  send(server.port, 'GET', `/v1/jobs/${id}`, { headers });

/** Claims the step of this name by hand; those of other names are not asked for. */
async function claim(server: ServerProcess, uses: string, ttl = '12s'): Promise<Anything> {
  const body = { worker_id: hand, uses: [uses], wait: '20s', ttl };
  const { json, text } = await send(server.port, 'POST', '/v1/claims', { body });
  const [one] = json.data ?? [];
  if (one === undefined) throw new Error(`no claim on ${uses}: ${text}`);
  return one;
}

function complete(server: ServerProcess, id: string): Promise<Answer> {
  return send(server.port, 'POST', `/v1/claims/${id}/complete`, { body: { output: id } });
}

async function register(server: ServerProcess): Promise<string> {
  const uses = ['across', 'after', 'open'];
  return (await send(server.port, 'POST', '/v1/workers', { body: { name: 'hand', uses } })).json.id;
}

async function broken(owner: Owner): Promise<string[]> {
  const db = createDatabase(createPool({ connection: owner.connection, max: 1, applicationName: 'test' }));
  try {
    return brokenInvariants(await readRows(db));
  } finally {
    await db.destroy();
  }
}

/** How the attempts of a step ended. */
async function outcomes(server: ServerProcess, id: string, step: string): Promise<string[]> {
  const { attempts } = await getStep(server, id, step);
  return attempts.map(({ outcome }: { outcome: string }) => outcome);
}

const isAlive = (pid: number) => existsSync(`/proc/${pid}`);

/** Starts everything and makes the copy in the middle of four jobs. */
async function upToTheCopy(dataDir: string, owner: Owner): Promise<void> {
  proxy = await startWireProxy(urlOf(owner.connection));
  early = await serve(proxy.url);
  hand = await register(early);
  ids.over = await submit(early, { name: 'over', uses: 'value', with: 1 });
  ids.chain = await submit(early, {
    name: 'chain',
    steps: [
      { name: 'before', ...script('before', 'scratch') },
      { name: 'across', uses: 'across', needs: ['before'] },
      { name: 'after', uses: 'after', needs: ['across'] },
    ],
  });
  ids.held = await submit(early, { name: 'held', ...script('held', 'end-of-held') });
  ids.opened = await submit(early, {
    name: 'opened',
    steps: [
      { name: 'open', uses: 'open' },
      { name: 'script', needs: ['open'], ...script('script', 'end-of-script') },
    ],
  });
  writeFileSync(file('scratch'), '');
  claims['across'] = (await claim(early, 'across')).id;
  await until(() => linesOf('held').length === 1);
  await untilJob(early, ids.over, ({ status }) => status === 'succeeded');
  then = { over: await get(early, ids.over), chain: await get(early, ids.chain) };
  copy = await copyRunning(owner, dataDir);
}

/** What the copy knows nothing of. */
async function onAfterTheCopy(): Promise<void> {
  expect((await complete(early, claims['across'] as string)).json.outcome).toBe('succeeded');
  claims['after'] = (await claim(early, 'after')).id;
  claims['open'] = (await claim(early, 'open')).id;
  await complete(early, claims['open'] as string);
  await until(() => linesOf('script').length === 1);
  late = await serve(proxy.url);
  worker = new Worker({
    server: late.url,
    name: 'late',
    concurrency: 2,
    handleSignals: false,
    onEvent: () => {},
    actions: {
      pick: (context) =>
        new Promise((resolve, reject) => {
          runs.push(context);
          if (runs.length > 1) resolve(null);
          context.signal.addEventListener('abort', () => reject(context.signal.reason));
        }),
    },
  });
  await worker.start();
  const answer = await send(early.port, 'POST', '/v1/jobs', { body: { name: 'sent', uses: 'pick' }, ...KEY });
  lostId = answer.json.id;
  await until(() => runs.length === 1);
  lostEtag = (await get(early, ids.chain)).headers['etag'] as string;
  expect(lostEtag).not.toBe(then.chain.headers['etag']);
}

beforeAll(async () => {
  const dataDir = newDataDir();
  const owner = await startOwner(dataDir, { settings: COPYABLE });
  await upToTheCopy(dataDir, owner);
  await onAfterTheCopy();
  promoted = await startOwner(await copyFolder(copy));
}, 240_000);

afterAll(async () => {
  await worker?.stop({ graceMs: 0 });
  proxy?.close();
  await stopEverything();
}, 60_000);

describe('a standby that lacks the last commits', () => {
  it('takes over while servers and workers go on: jobs are as they were, and what was lost is done again', async () => {
    proxy.cut();
    proxy.turnTo(urlOf(promoted.connection));
    await proxy.mend();
    await until(async () => (await get(early, ids.over)).status === 200);
    const answers = await Promise.all([get(early, ids.over), get(late, ids.chain)]);
    expect(answers.map(({ json, headers }) => [json.status, headers['etag']])).toEqual(
      [then.over, then.chain].map(({ json, headers }) => [json.status, headers['etag']]),
    );

    // A client that waits with an ETag of what was lost is answered at once, with less than it had seen.
    const seen = await get(early, `${ids.chain}?wait=60s`, { 'if-none-match': lostEtag });
    expect([seen.status, seen.json.version < Number(/\d+/.exec(lostEtag)?.[0])]).toEqual([200, true]);
    // Nothing is known of what was submitted; sent again it is there once.
    expect((await get(early, lostId)).status).toBe(404);
    const again = () => send(late.port, 'POST', '/v1/jobs', { body: { name: 'sent', uses: 'pick' }, ...KEY });
    const sent = await again();
    expect([sent.status, sent.headers['idempotency-replayed'], sent.json.id === lostId]).toEqual([
      202,
      undefined,
      false,
    ]);
    expect((await again()).json.id).toBe(sent.json.id);

    // Claims that were lost are refused, whatever their workers say, and change nothing.
    for (const name of ['after', 'open']) {
      const id = claims[name] as string;
      const [ended, extended] = [
        await complete(late, id),
        await send(early.port, 'POST', `/v1/claims/${id}/extend`),
      ];
      expect([ended.status, ended.json.code], name).toEqual([404, 'claim_not_found']);
      expect([extended.status, extended.json.code], name).toEqual([404, 'claim_not_found']);
    }
    expect((await get(early, ids.opened)).json).toMatchObject({ status: 'queued', steps: { ready: 1 } });
    // The script that a server ran under a lost claim is stopped.
    await until(() => !isAlive(Number(linesOf('script')[0]?.split(' ')[1])));
    expect(await broken(promoted)).toEqual([]);
  }, 60_000);

  it('leaves servers and workers in order: who it does not know enters again, and nobody is taken for dead', async () => {
    // The worker stops what nobody asked for, and goes on.
    await until(() => runs[0]?.signal.aborted === true);
    expect(runs[0]?.signal.reason).toMatchObject({ reason: 'lost' });
    await until(() => runs.length === 2);
    await until(async () => {
      const { json } = await send(early.port, 'GET', '/v1/workers?status=live');
      const names: string[] = json.data.map((one: Anything) => one.name.replace(/.*:/, ''));
      return names.sort().join() === [early.pid, late.pid, 'hand', 'late'].map(String).sort().join();
    });

    // The step whose success was lost runs again, once its claim has expired; the others go on from there.
    const one = await claim(early, 'across');
    expect(one.attempt).toBe(2);
    await complete(early, one.id);
    await complete(late, (await claim(late, 'after')).id);
    writeFileSync(file('end-of-script'), '');
    // The same number as the claim that was lost: that there was one the database does not know.
    const opening = await claim(late, 'open');
    expect(opening.attempt).toBe(1);
    await complete(late, opening.id);
    writeFileSync(file('end-of-held'), '');
    for (const id of Object.values(ids))
      await untilJob(early, id, ({ status }) => status === 'succeeded', 40_000);

    expect([early, late].map((server) => server.log()).join('')).not.toMatch('which died');
    expect(linesOf('before')).toHaveLength(1);
    // Its server goes on, and its claim is one that the copy knows.
    expect(linesOf('held')).toHaveLength(1);
    expect(linesOf('script').map((line) => line.split(' ')[0])).toEqual(['1', '1']);
    expect(await outcomes(early, ids.chain, 'across')).toEqual(['lost', 'succeeded']);
    expect(await outcomes(early, ids.held, 'main')).toEqual(['succeeded']);
    expect(await broken(promoted)).toEqual([]);
    const levels = [early, late].flatMap((server) => server.logLines().map(({ level }) => level));
    expect(levels).not.toContain('error');
    expect(levels).not.toContain('fatal');
  }, 90_000);
});

describe('an older backup', () => {
  it('is restored with all servers stopped: jobs are as they were then, and what succeeded since runs again', async () => {
    await worker.stop({ graceMs: 0 });
    await Promise.all([early.kill(), late.kill()]);
    const restored = await startOwner(copy);
    const server = await serve(urlOf(restored.connection));
    expect((await get(server, ids.over)).json).toMatchObject({
      ...then.over.json,
      elapsed_ms: expect.any(Number),
    });
    expect((await get(server, lostId)).status).toBe(404);
    expect((await complete(server, claims['after'] as string)).status).toBe(404);
    for (const name of ['across', 'after', 'open']) await complete(server, (await claim(server, name)).id);
    for (const id of Object.values(ids))
      await untilJob(server, id, ({ status }) => status === 'succeeded', 40_000);

    expect(linesOf('before')).toHaveLength(1);
    expect(linesOf('held').map((line) => line.split(' ')[0])).toEqual(['1', '2']);
    expect(await outcomes(server, ids.held, 'main')).toEqual(['lost', 'succeeded']);
    expect(await outcomes(server, ids.chain, 'across')).toEqual(['lost', 'succeeded']);
    expect(await broken(restored)).toEqual([]);
  }, 90_000);
});
