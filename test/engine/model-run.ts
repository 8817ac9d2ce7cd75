/** Runs the larger model test: operations in turn or at the same time, at one, two or three servers. */
import { isDeepStrictEqual } from 'node:util';
import { sql } from 'kysely';
import { expect } from 'vitest';
import { brokenInvariants, brokenVersions } from './invariants.ts';
import { explain } from './linearize.ts';
import type { Model, Operation } from './model.ts';
import * as checks from './model-checks.ts';
import type { ModelServer, Told } from './model-servers.ts';
import { isOver } from './oracle.ts';
import { emptyWorld } from './oracle-claims.ts';
import { seeded } from './random-jobs.ts';
import * as mix from './random-mix.ts';

const MOST_JOBS_KEPT = 12;

export interface Tally {
  operations: number;
  /** Rounds of operations at the same time, and the parts of orders that were tried to explain them. */
  rounds: number;
  tried: number;
}

async function newModel(servers: readonly ModelServer[], seed: number): Promise<Model> {
  const [first] = servers as [ModelServer];
  await sql`truncate job, step, attempt, step_log, worker`.execute(first.store.db);
  const { rows } = await checks.readStored(first.store);
  return {
    ...{ oracle: emptyWorld(), servers, random: seeded(seed), before: rows, made: 0, concurrent: false },
    sent: { claims: [], settles: [], submits: [] },
  };
}

const first = ({ servers }: Model) => (servers[0] as ModelServer).store;

/** One operation, and then everything is as the oracle says. */
export async function inTurn(model: Model, log: string[], operation: Operation): Promise<void> {
  const server = model.random.pick(model.servers);
  log.push(`${server.name}: ${operation.what}`);
  await operation.prepare?.(server.store);
  if (operation.prepare) model.before = (await checks.readStored(first(model))).rows;
  const told = await operation.send(server);
  const stored = await checks.readStored(first(model));
  const round = { concurrent: false, rows: stored.rows, unseen: new Map() };
  for (const part of operation.parts(told)) {
    const wrong = part.apply(model.oracle, round);
    if (wrong !== null) throw new Error(`${wrong}\nanswer: ${told.status} ${JSON.stringify(told.json)}`);
  }
  await check(model, stored, operation.transactions ?? 1);
}

async function check(model: Model, stored: checks.Stored, transactions: number): Promise<void> {
  const [found, expected] = [checks.storedWorld(stored), checks.expectedWorld(model.oracle)];
  // Whether is cheaper to say than where.
  if (!isDeepStrictEqual(found, expected)) expect(found).toEqual(expected);
  expect(brokenInvariants(stored.rows)).toEqual([]);
  const { before } = model;
  const versions = transactions === 1 ? brokenVersions(before, stored.rows) : [];
  expect([...versions, ...checks.brokenVersionOrder(before, stored.rows, transactions)]).toEqual([]);
  expect(checks.brokenExpiries(model.oracle, stored.rows)).toEqual([]);
  await checks.checkDelays(first(model), stored.rows);
  model.before = stored.rows;
}

/** Some operations at the same time, each at a random server; some order of them explains what came of it. */
async function together(model: Model, log: string[], tally: Tally): Promise<void> {
  const operations = mix.operationsTogether(model);
  const servers = operations.map(() => model.random.pick(model.servers));
  log.push(`together: ${operations.map(({ what }, at) => `${servers[at]?.name}: ${what}`).join(' | ')}`);
  const told = await Promise.all(
    operations.map((operation, at) => operation.send(servers[at] as ModelServer)),
  );
  const stored = await checks.readStored(first(model));
  const parts = operations.flatMap((operation, at) => operation.parts(told[at] as Told));
  const { world, reasons, tried } = explain(model.oracle, parts, { stored, told });
  tally.rounds += 1;
  tally.tried += tried;
  if (world === null) {
    const answers = told.map(({ status, json }) => `  ${status} ${JSON.stringify(json)}`);
    const why = reasons.slice(0, 12).map((reason) => `  ${reason}`);
    throw new Error(['no order explains these answers and what is stored', ...answers, ...why].join('\n'));
  }
  model.oracle = world;
  expect(brokenInvariants(stored.rows)).toEqual([]);
  expect(checks.brokenVersionOrder(model.before, stored.rows, parts.length + 1)).toEqual([]);
  await checks.checkDelays(first(model), stored.rows);
  await mix.settleExpiry(model);
  model.before = (await checks.readStored(first(model))).rows;
}

/** Something that happens by itself, as the smaller model test knows it. */
async function byItself(model: Model, log: string[], happens: mix.Happening): Promise<void> {
  const server = model.random.pick(model.servers);
  const world = mix.smallerWorld(model, server);
  const line = await happens(world);
  log.push(`${server.name}: ${line}`);
  model.before = world.before;
  await check(model, await checks.readStored(first(model)), 1);
}

async function toTheEnd(model: Model, log: string[]): Promise<void> {
  const open = () => [...model.oracle.jobs.values()].filter((job) => !isOver(job));
  await inTurn(model, log, mix.worker(model));
  const longest = Math.max(0, ...open().map((job) => job.steps.length));
  // A round for each step in a row, one more for a delay of each, and one for what comes before and after.
  for (let round = 0; round < 2 * longest + 2 && open().length > 0; round += 1) {
    await byItself(model, log, mix.resumeAll);
    for (const happens of mix.HAPPENINGS_TO_THE_END) await byItself(model, log, happens);
    for (let next = mix.towardsTheEnd(model); next !== null; next = mix.towardsTheEnd(model))
      await inTurn(model, log, next);
  }
  expect(open().map((job) => job.id)).toEqual([]);
}

/** Runs so many operations from a seed. Of a failure the last operations are told, and the line that replays it. */
export async function runModel(
  servers: readonly ModelServer[],
  { seed, count, file, share }: { seed: number; count: number; file: string; share: number },
): Promise<Tally> {
  const model = await newModel(servers, seed);
  const log: string[] = [];
  const tally: Tally = { operations: 0, rounds: 0, tried: 0 };
  try {
    // Without one nothing is claimed, and most of what there is to see is not seen.
    await inTurn(model, log, mix.worker(model));
    for (; tally.operations < count; tally.operations += 1) {
      if (model.random.chance(share)) await together(model, log, tally);
      else {
        const next = mix.anyOperation(model);
        if (typeof next === 'function') await byItself(model, log, next);
        else if (next !== null) await inTurn(model, log, next);
      }
      if (model.oracle.jobs.size > MOST_JOBS_KEPT) await forget(model, log);
    }
    await toTheEnd(model, log);
    return tally;
  } catch (error) {
    const last = log.slice(-10).map((line) => `  ${line}`);
    const replay = `SEED=${seed} OPERATIONS=${count} SERVERS=${servers.length} npx vitest run ${file}`;
    (error as Error).message +=
      `\nafter ${tally.operations} operations, the last of them:\n${last.join('\n')}\nreplay: ${replay}`;
    throw error;
  }
}

async function forget(model: Model, log: string[]): Promise<void> {
  for (const job of [...model.oracle.jobs.values()].filter(isOver).slice(0, MOST_JOBS_KEPT / 2))
    await inTurn(model, log, mix.verbOn('delete', job.id));
}
