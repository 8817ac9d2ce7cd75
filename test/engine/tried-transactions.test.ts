import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { addSteps, openDraft } from '../../src/domain/moves/draft.ts';
import { hold } from '../../src/domain/moves/hold.ts';
import type { ClaimedStep } from '../../src/operations/advance-jobs.ts';
import { extendClaims } from '../../src/operations/extend-claims.ts';
import { settleSteps } from '../../src/operations/settle-steps.ts';
import { loadStepsAndDependents } from '../../src/repositories/load-steps.ts';
import { lockJobs } from '../../src/repositories/lock-jobs.ts';
import { saveDrafts } from '../../src/repositories/save-drafts.ts';
import { createSettler } from '../../src/scheduler/settler.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { brokenInvariants, readRows } from './invariants.ts';
import { seeded } from './random-jobs.ts';
import * as work from './work.ts';

/** Each of these went wrong once, with a simpler engine; each fails when the rule that stands against it goes. */

const log = createLogger({ level: 'silent', pretty: false });
let database: TestDatabase;
let store: Store;

beforeAll(async () => {
  database = await testDatabase({ max: 40 });
  store = { db: database.db, wakeUps: createWakeUps() };
});

beforeEach(() => sql`truncate job, step, attempt`.execute(store.db));

afterAll(() => database.close());

/** Two settlers of one job, made to wait for it at once, and then let go. */
async function settleAtOnce(jobId: string, outcomes: ReturnType<typeof work.succeeded>[]): Promise<void> {
  const letGo = await work.holdJob(database.url, jobId);
  const settled = outcomes.map((outcome) => settleSteps(store, [outcome], { mode: 'wait' }));
  await work.until('both to wait', async () => (await work.waiters(store.db)) === outcomes.length);
  await letGo();
  await Promise.all(settled);
}

describe('settling', () => {
  it('promotes a join whose two needs end at once: whoever waited for the job decides on what is there after', async () => {
    const id = await work.submitGraph(store, { a: [], b: [], join: ['a', 'b'] });
    await settleAtOnce(id, (await work.claim(store, 2)).map(work.succeeded));
    expect(await work.statusesOf(store.db, id)).toEqual(['succeeded', 'succeeded', 'ready']);
    expect(brokenInvariants(await readRows(store.db))).toEqual([]);
  });

  it('skips a join for good when one of two needs that end at once has failed', async () => {
    for (const first of [work.failed, work.succeeded]) {
      const id = await work.submitGraph(store, { a: [], b: [], join: ['a', 'b'] });
      const [a, b] = await work.claim(store, 2);
      const other = first === work.failed ? work.succeeded : work.failed;
      await settleAtOnce(id, [first(a as ClaimedStep), other(b as ClaimedStep)]);
      expect((await work.statusesOf(store.db, id))[2]).toBe('skipped');
    }
    expect(brokenInvariants(await readRows(store.db))).toEqual([]);
  });

  it('never brings a step back that somebody else has moved meanwhile', async () => {
    const id = await work.submitGraph(store, { a: [] });
    const write = store.db.transaction().execute(async (tx) => {
      const [locked] = await lockJobs(tx, [id], 'wait');
      if (!locked) throw new Error('no job');
      const draft = openDraft(locked.job, [], locked.now);
      addSteps(draft, await loadStepsAndDependents(tx, [{ job_id: id, ordinal: 0 }]));
      await sql`update step set status = 'skipped', finished_at = now() where job_id = ${id}`.execute(
        store.db,
      );
      for (const step of draft.steps.values()) hold(draft, step);
      await saveDrafts(tx, [draft]);
    });
    await expect(write).rejects.toThrow('a guarded write found 0 of 1 steps');
    expect(await work.statusesOf(store.db, id)).toEqual(['skipped']);
  });

  it('goes on with all other jobs while one is stuck for 3 s, and writes its outcome when it is free', async () => {
    const stuck = await work.submitGraph(store, { a: [] });
    const others = await Promise.all(
      Array.from({ length: 20 }, () => work.submitGraph(store, { a: [], b: ['a'] })),
    );
    const results = new Map<string, string>();
    const settler = createSettler({
      store,
      log,
      offer: () => ({ handOff: undefined as never, granted: () => [], end: () => {} }),
      onSettled: ({ job_id, ordinal }, result) => results.set(`${job_id}/${ordinal}`, result),
      onHandedOff: () => {},
    });
    const claims = await work.claim(store, 21);
    const letGo = await work.holdJob(database.url, stuck);
    let isFree = false;
    const freed = sql`select pg_sleep(3)`.execute(store.db).then(() => {
      isFree = true;
      return letGo();
    });
    for (const claimed of claims) settler.push(work.succeeded(claimed));
    await work.until('the first steps of the others', () =>
      others.every((id) => results.get(`${id}/0`) === 'settled'),
    );
    // A second wave, which finds one outcome waiting for the stuck job on a connection of its own.
    for (const claimed of await work.claim(store, 20)) settler.push(work.succeeded(claimed));
    await work.until('the last steps of the others', () =>
      others.every((id) => results.get(`${id}/1`) === 'settled'),
    );
    expect([isFree, results.get(`${stuck}/0`)]).toEqual([false, undefined]);
    await freed;
    await settler.idle();
    expect(results.get(`${stuck}/0`)).toBe('settled');
    expect(await work.countSteps(store.db)).toEqual({ succeeded: 41 });
  });

  it('fails the one step whose output cannot be stored, and settles the others of its batch', async () => {
    await Promise.all(Array.from({ length: 5 }, () => work.submitGraph(store, work.loose(3))));
    const claims = await work.claim(store, 15);
    const bad = { kind: 'succeeded', output: { text: 'nul: \u0000' } } as const;
    const outcomes = claims.map((claimed, i) =>
      i === 7 ? work.outcome(claimed, bad) : work.succeeded(claimed),
    );
    const { results } = await settleSteps(store, outcomes, { mode: 'wait' });
    expect(new Set(results)).toEqual(new Set(['settled']));
    expect(await work.countSteps(store.db)).toEqual({ failed: 1, succeeded: 14 });
    const { rows } = await sql<{ code: string; ordinal: number; job_id: string }>`
      select error ->> 'code' as code, ordinal, job_id from step where status = 'failed'`.execute(store.db);
    expect(rows).toEqual([
      { code: 'output_invalid', ordinal: claims[7]?.ordinal, job_id: claims[7]?.job_id },
    ]);
    expect(brokenInvariants(await readRows(store.db))).toEqual([]);
  });
});

describe('claiming', () => {
  it('seldom comes back empty when 16 claim from one giant job', async () => {
    const steps = 1_200;
    await work.submitGraph(store, work.loose(steps));
    const taken: ClaimedStep[] = [];
    let empty = 0;
    let answers = 0;
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        while (taken.length < steps) {
          const claims = await work.claim(store, 10);
          if (taken.length >= steps) return;
          answers += 1;
          if (claims.length === 0) empty += 1;
          taken.push(...claims);
        }
      }),
    );
    expect(new Set(taken.map((claimed) => claimed.ordinal)).size).toBe(steps);
    expect(taken).toHaveLength(steps);
    expect(empty / answers).toBeLessThan(0.4);
  });
});

describe('extending', () => {
  it('never deadlocks with settles of the same steps, nor among extends, and loses no claim that is valid', async () => {
    const random = seeded(1);
    await Promise.all(Array.from({ length: 60 }, () => work.submitGraph(store, work.loose(10))));
    const held = new Map((await work.claim(store, 600)).map((claimed) => [claimed.claim_id, claimed]));
    expect(held.size).toBe(600);
    const ended = new Set<string>();
    let wronglyLost = 0;
    const extendAll = async () => {
      while (held.size > 0) {
        const lost = await extendClaims(store, random.shuffle([...held.values()]), 60_000);
        wronglyLost += lost.filter((claimId) => !ended.has(claimId)).length;
      }
    };
    const settleAll = async () => {
      while (held.size > 0) {
        const batch = random.shuffle([...held.values()]).slice(0, 12);
        for (const { claim_id } of batch) {
          held.delete(claim_id);
          ended.add(claim_id);
        }
        await settleSteps(store, batch.map(work.succeeded), { mode: 'wait' });
      }
    };
    await Promise.all([...Array.from({ length: 6 }, extendAll), ...Array.from({ length: 4 }, settleAll)]);
    expect(wronglyLost).toBe(0);
    expect(await work.countSteps(store.db)).toEqual({ succeeded: 600 });
    expect(await work.deadlocks(store.db)).toBe(0);
  });
});
