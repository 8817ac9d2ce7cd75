import type { Kysely } from 'kysely';
import { createPool as createConnections, createDatabase } from '../../src/database/connection.ts';
import type { Tables } from '../../src/database/tables.ts';
import { brokenInvariants, readRows } from '../../test/engine/invariants.ts';
import type { ServerProcess } from '../../test/support/server-process.ts';
import { readDocument } from './document.ts';
import { createJudge } from './judge.ts';
import { createLane } from './lane.ts';
import { type FuzzOptions, PRELUDE, play, playAll, type Run } from './play.ts';
import { createPool } from './pool.ts';
import { stall } from './stalls.ts';
import { countStored } from './stored.ts';
import { createTally, listed, type Tally } from './tally.ts';
import { type Watch, watchServer } from './watch-server.ts';

export interface FuzzVerdict {
  wrong: string[];
  figures: [string, string][];
  tally: Tally;
}

const MOST_WRONG = 20;
const REST_MS = 10_000;
/** Only a run of this length is worth the minute that senders take who stop in the middle. */
const STALL_FROM = 20_000;
/** What must have been sent of what was asked for; the rest was left out where requests could not be told apart. */
const ENOUGH = 0.97;

/** Sends the requests of a seed to a server, and judges every answer. */
export async function runFuzz(options: FuzzOptions): Promise<FuzzVerdict> {
  const { server, databaseUrl, signal, only } = options;
  const run = await prepare(options);
  const connection = { connection: databaseUrl, max: 2, applicationName: 'holdfast fuzz' };
  const db = createDatabase(createConnections({ ...connection, timeouts: { statement: 0 } }));
  const watch = watchServer(server.pid, server.port);
  const stalled = options.long && options.requests >= STALL_FROM ? stall(server.port, signal) : [];
  const began = performance.now();
  try {
    await play(run, 0, PRELUDE.requests, PRELUDE);
    const before = watch.now();
    if (only === undefined) await playAll(run, db, () => `${watch.now()} MiB`);
    else await play(run, only, only + 1);
    const seconds = (performance.now() - began) / 1000;
    run.tally.wrong.push(...(await stalled));
    for (const lane of run.lanes) lane.close();
    const busy = watch.now();
    if (options.long && !run.isOver()) await new Promise((resolve) => setTimeout(resolve, REST_MS));
    return await judgeAll(run, db, { watch, seconds, before, busy });
  } finally {
    watch.stop();
    for (const lane of run.lanes) lane.close();
    await db.destroy();
  }
}

async function prepare(options: FuzzOptions): Promise<Run> {
  const { server, signal } = options;
  const described = readDocument(JSON.parse(await (await fetch(`${server.url}/openapi.json`)).text()));
  const tally = createTally(described);
  const until = performance.now() + options.mostMs;
  let ended = false;
  void server.exited.then(({ code, signal: by }) => {
    ended = true;
    tally.wrong.push(`the server ended (${code ?? by}): ${server.log().slice(-3_000)}`);
  });
  const isOver = () =>
    ended || signal.aborted || tally.wrong.length >= MOST_WRONG || performance.now() > until;
  const lanes = Array.from({ length: options.lanes }, () => createLane(server.port));
  return { options, described, pool: createPool(), judge: createJudge(described), tally, lanes, isOver };
}

interface Measured {
  watch: Watch;
  seconds: number;
  /** Resident size of the server after the first requests, and after the last. MiB. */
  before: number;
  busy: number;
}

/** What can be said at the end alone: of memory, log, database, and how far the requests reached. */
async function judgeAll(run: Run, db: Kysely<Tables>, measured: Measured): Promise<FuzzVerdict> {
  const { tally, options } = run;
  const { watch, seconds, before, busy } = measured;
  const wrong = [...tally.wrong, ...watch.trouble.slice(0, 3), ...loggedTrouble(options.server)];
  if (watch.peak() > options.mostMemory)
    wrong.push(`the server took ${watch.peak()} MiB, ${options.mostMemory} allowed`);
  wrong.push(...brokenInvariants(await readRows(db)).slice(0, 10));
  if (options.only === undefined && !options.signal.aborted) {
    if (tally.requests() < options.requests * ENOUGH)
      wrong.push(`only ${tally.requests()} of ${options.requests} requests were sent`);
    wrong.push(...tally.shallow(options.long));
  }
  const stored = await countStored(db);
  const figures: [string, string][] = [
    ['seed', String(options.seed)],
    [
      'requests',
      `${tally.requests()} in ${seconds.toFixed(1)} s, ${Math.round(tally.requests() / seconds)}/s`,
    ],
    ['by level', listed(tally.byLevel)],
    ['by answer', listed(tally.byClass)],
    ['jobs and workers kept', `${stored.jobs} and ${stored.workers}`],
    [
      'memory of the server, MiB',
      `${before} after the start, ${watch.peak()} at most, ${busy} at the end, ${watch.now()} after a rest`,
    ],
    ['/livez', `asked ${watch.probes} times, slowest ${watch.slowest} ms`],
  ];
  return { wrong, figures, tally };
}

function loggedTrouble(server: ServerProcess): string[] {
  const bad = server.logLines().filter(({ level }) => level === 'error' || level === 'fatal');
  return bad.slice(0, 5).map((line) => `the server logged ${JSON.stringify(line).slice(0, 1_500)}`);
}
