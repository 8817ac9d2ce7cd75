import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import { claimSteps } from '../../src/operations/claim-steps.ts';
import { drainWorker } from '../../src/operations/drain-worker.ts';
import { registerWorker } from '../../src/operations/register-worker.ts';
import type { Handed, RemoteRequest } from '../../src/operations/remote-desk.ts';
import type { StepOutcome } from '../../src/operations/step-outcome.ts';
import { submitJob } from '../../src/operations/submit-job.ts';
import { type Dispatch, startDispatch } from '../../src/scheduler/dispatch.ts';
import { createKnownWorkers } from '../../src/scheduler/known-workers.ts';
import { type AskEnd, createRemoteAsks } from '../../src/scheduler/remote-asks.ts';
import type { EngineMeter } from '../../src/telemetry/engine-metrics.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { holdJob, normal, session, statusesOf, until } from './work.ts';

let database: TestDatabase;
let store: Store;
let here: Dispatch;
let there: Dispatch;
/** How often `there` looked at the queue. */
let looks = 0;

beforeAll(async () => {
  database = await testDatabase({ max: 20 });
  // Hints do not cross: each finds out by looking, as if they had got lost.
  const [one, other] = [createWakeUps(), createWakeUps()].map((wakeUps) => ({ db: database.db, wakeUps }));
  store = one as Store;
  here = startDesk(store, 300);
  const ignore = () => {};
  const count = () => {
    looks += 1;
  };
  there = startDesk(other as Store, 10_000, {
    ...{ claimBatch: count, claimWait: ignore, settleBatch: ignore, staleWrites: ignore },
  });
});

afterAll(async () => {
  await Promise.all([here.stop(0), there.stop(0)]);
  await database.close();
});

/** What a server does for remote workers; its own pool can run nothing. */
function startDesk(store: Store, patienceMs: number, meter?: EngineMeter): Dispatch {
  const settings = { workerId: randomUUID(), slots: 1, queues: null, claimTtlMs: 30_000, patienceMs };
  const log = createLogger({ level: 'silent', pretty: false });
  return startDispatch({
    ...{ store, vital: store, catalogue: new Map(), settings, log },
    ...(meter ? { meter } : {}),
  });
}

const newAction = () => `act-${randomUUID().slice(0, 8)}`;

const register = (...uses: string[]) =>
  registerWorker(store, { name: 'test', version: '', uses, queues: null, slots: 1, labels: {} });

async function submit(uses: string, more: JsonObject = {}): Promise<string> {
  const steps = [{ name: 'one', uses }];
  return (await submitJob(store, normal({ name: 'job', steps, ...more }), { requestHash: 'races' })).id;
}

function ask(workerId: string, more: Partial<RemoteRequest> = {}): RemoteRequest {
  const { signal: gone } = new AbortController();
  return {
    workerId,
    requestId: null,
    uses: null,
    queues: null,
    max: 1,
    ttlMs: 30_000,
    waitMs: 0,
    gone,
    ...more,
  };
}

const idsOf = ({ handouts }: Pick<Handed, 'handouts'>) => handouts.map(({ claim_id }) => claim_id);

function done({ handouts: [first] }: Handed): StepOutcome {
  const { job_id, ordinal, claim_id } = first as Handed['handouts'][number];
  return { job_id, ordinal, claim_id, end: { kind: 'succeeded', output: null } };
}

const chain = (uses: string) => ({
  steps: ['a', 'b', 'c', 'd'].map((name, index, all) => ({
    ...{ name, uses },
    needs: all.slice(Math.max(0, index - 1), index),
  })),
});

describe('a worker that waits', () => {
  it('is not forgotten for those that have come and gone since it came', async () => {
    const ids = [await register('any'), await register('any')];
    const asks = createRemoteAsks(() => {});
    const log = createLogger({ level: 'silent', pretty: false });
    let passes = 0;
    const workers = () => {
      passes += 1;
      return asks.workers();
    };
    const known = createKnownWorkers(store, log, { ...asks, workers }, { most: 2, seeMs: 20 });
    const told: AskEnd[] = [];
    for (const id of ids) {
      await known.get(id);
      void asks.wait({ ...ask(id, { waitMs: 60_000 }), uses: [] }).then((end) => told.push(end));
    }
    for (let gone = 0; gone < 5; gone += 1) {
      await known.get(await register('any'));
      const before = passes;
      await until('both were looked at', () => passes >= before + 2);
    }
    expect(told).toEqual([]);
    await known.stop();
    asks.end();
  });
});

describe('a worker that is drained', () => {
  it('is handed no more steps by its own outcomes', async () => {
    const uses = newAction();
    const worker = await register(uses);
    await submit(uses, chain(uses));
    const first = await here.remote.claim(ask(worker));
    await drainWorker(store, worker);
    const { results, handed } = await here.remote.settle([done(first)], ask(worker));
    expect(results).toMatchObject([{ failed: false }]);
    expect(handed).toBeNull();
    expect(await here.remote.claim(ask(worker))).toEqual({ handouts: [], command: 'drain' });
  });

  it('is told again what a request gave it before', async () => {
    const uses = newAction();
    const worker = await register(uses);
    await submit(uses);
    const first = await here.remote.claim(ask(worker, { requestId: 'r' }));
    await drainWorker(store, worker);
    const again = await there.remote.claim(ask(worker, { requestId: 'r' }));
    expect(again.command).toBe('drain');
    expect(idsOf(again)).toEqual(idsOf(first));
  });
});

describe('workers whose outcomes are written together', () => {
  it('share the steps that become ready by them', async () => {
    const uses = newAction();
    const workers = [await register(uses), await register(uses)];
    for (const _ of workers) await submit(uses, chain(uses));
    const held = await Promise.all(workers.map((worker) => here.remote.claim(ask(worker))));
    // Nothing is left in the queue, so that steps may go from hand to hand.
    for (const worker of workers) expect(idsOf(await here.remote.claim(ask(worker)))).toEqual([]);
    const settled = await Promise.all(
      workers.map((worker, index) =>
        here.remote.settle([done(held[index] as Handed)], ask(worker, { max: 5 })),
      ),
    );
    expect(settled.map(({ handed }) => handed?.handouts.length)).toEqual([1, 1]);
  });
});

describe('a request sent to two servers', () => {
  it('is given what its first copy got while the second waited', async () => {
    const uses = newAction();
    const worker = await register(uses);
    const second = there.remote.claim(ask(worker, { requestId: 'r', waitMs: 1500 }));
    await until('the second waits', () => there.waiting() === 1);
    await submit(uses);
    const first = await here.remote.claim(ask(worker, { requestId: 'r' }));
    expect(idsOf(first)).toHaveLength(1);
    expect(idsOf(await second)).toEqual(idsOf(first));
  });

  it('gives the same to both copies when it is more than goes into one answer', async () => {
    const uses = newAction();
    const worker = await register(uses);
    const filling = 'x'.repeat(250 * 1024);
    const steps = Array.from({ length: 50 }, (_, i) => ({ name: `s${i}`, uses, with: { filling } }));
    // What is taken first is not what stands first in the database.
    for (const priority of [0, 1]) await submit(uses, { steps, priority });
    const request = ask(worker, { requestId: 'r', max: 1000 });
    const copies = await Promise.all([here.remote.claim(request), there.remote.claim(request)]);
    const given = new Set(copies.flatMap(idsOf));
    const running = async () =>
      (
        await sql<{
          claim_id: string;
        }>`select claim_id from step where uses = ${uses} and status = 'running'`.execute(store.db)
      ).rows.map((row) => row.claim_id);
    await until('the rest is given back', async () => (await running()).length <= given.size);
    expect(new Set(await running())).toEqual(given);
  });

  it('gives what there is although the row of its worker is held for a moment', async () => {
    const uses = newAction();
    const worker = await register(uses);
    await submit(uses);
    const holder = await session(database.url);
    await holder.query('begin');
    await holder.query('select 1 from worker where id = $1 for no key update', [worker]);
    const waiting = here.remote.claim(ask(worker));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await holder.query('commit');
    await holder.end();
    expect(idsOf(await waiting)).toHaveLength(1);
  });
});

describe('a request whose client went away', () => {
  it('leaves to its second copy what that was given', async () => {
    const uses = newAction();
    const worker = await register(uses);
    for (let round = 0; round < 8; round += 1) {
      const id = await submit(uses);
      const client = new AbortController();
      const requestId = `r${round}`;
      const first = here.remote.claim(ask(worker, { requestId, waitMs: 1000, gone: client.signal }));
      await until('it is granted', async () => (await statusesOf(store.db, id))[0] === 'running');
      const second = there.remote.claim(ask(worker, { requestId }));
      client.abort();
      await first;
      const [given] = idsOf(await second);
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (given) expect(await statusesOf(store.db, id)).toEqual(['running']);
    }
  });
});

describe('what is ready', () => {
  it('is found at the first look however many actions and queues a worker offers', async () => {
    const uses = Array.from({ length: 100 }, newAction);
    const queues = Array.from({ length: 20 }, (_, index) => `q${index}`);
    const worker = await register(...uses);
    for (let round = 0; round < 5; round += 1) {
      await submit(uses[round * 7] as string, { queue: queues[round * 3] as string });
      const given = await here.remote.claim(ask(worker, { queues }));
      expect(idsOf(given), `round ${round}`).toHaveLength(1);
    }
  });
});

describe('a look at many queues', () => {
  it('locks little more than it may give, and still takes what comes first of all', async () => {
    const uses = newAction();
    const worker = await register(uses);
    for (let queue = 0; queue < 30; queue += 1)
      for (let n = 0; n < 3; n += 1) await submit(uses, { queue: `many${queue}` });
    const urgent = [await submit(uses, { queue: 'many7', priority: 5 }), await submit(uses, { priority: 9 })];
    const { handouts } = await here.remote.claim(ask(worker, { max: 10 }));
    expect(handouts).toHaveLength(10);
    const first = handouts.map((handout) => handout.job_id);
    expect(first).toEqual(expect.arrayContaining(urgent));
    // A transaction leaves its mark on the rows that it locked.
    const { rows } = await sql<{ locked: number }>`select count(*)::int4 as locked
      from job join step on step.job_id = job.id where step.uses = ${uses}
      group by job.xmax order by 1 desc limit 1`.execute(store.db);
    expect(rows[0]?.locked).toBeLessThanOrEqual(11 + 31);
  });
});

describe('outcomes', () => {
  it('of claims that never were do not wait for jobs that are not there', async () => {
    const outcomes = Array.from({ length: 1000 }, () => ({
      ...{ job_id: randomUUID(), ordinal: 0, claim_id: randomUUID() },
      end: { kind: 'succeeded', output: null } as const,
    }));
    const { results } = await here.remote.settle(outcomes, null);
    expect(new Set(results)).toEqual(new Set(['claim_lost']));
  });

  it('that are written too late for an answer take no steps for whoever asked', async () => {
    const uses = newAction();
    const worker = await register(uses);
    const id = await submit(uses, chain(uses));
    const first = await here.remote.claim(ask(worker));
    const free = await holdJob(database.url, id);
    await expect(here.remote.settle([done(first)], ask(worker))).rejects.toThrow('kept and tried again');
    await free();
    await until('it is written', async () => (await statusesOf(store.db, id))[0] === 'succeeded');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await statusesOf(store.db, id))[1]).toBe('ready');
  });
});

describe('a step whose `with` cannot be evaluated', () => {
  it('is not looked up again and again while its job is held', async () => {
    const uses = newAction();
    const worker = await register(uses);
    const step = { name: 'one', uses, with: { x: '${{ input.none.deeper }}' } };
    const id = await submit(uses, { input: {}, steps: [step] });
    // Granted, and the server stopped before it could answer.
    const remote = { requestId: 'r' };
    const request = { workerId: worker, uses: [{ uses, max: 1 }], queues: null, ttlMs: 30_000, remote };
    await claimSteps(store, [request]);
    const free = await holdJob(database.url, id);
    await submit(uses);
    looks = 0;
    const waiting = there.remote.claim(ask(worker, { requestId: 'r', waitMs: 5_000 }));
    await until('it looks', () => looks > 0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(looks).toBeLessThan(6);
    await free();
    expect(idsOf(await waiting)).toHaveLength(1);
    expect(await statusesOf(store.db, id)).toEqual(['failed']);
  });
});
