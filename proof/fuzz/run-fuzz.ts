import { createPool as createConnections, createDatabase } from '../../src/database/connection.ts';
import { brokenInvariants, readRows } from '../../test/engine/invariants.ts';
import type { ServerProcess } from '../../test/support/server-process.ts';
import { type Described, readDocument } from './document.ts';
import { createJudge, type Judge } from './judge.ts';
import { createLane, type Lane, type Outcome } from './lane.ts';
import { makeShot } from './make-shot.ts';
import { createPool, type Pool } from './pool.ts';
import type { Level, Shot } from './shot.ts';
import { stall } from './stalls.ts';
import { acceptedBy, countSettled, countStored } from './stored.ts';
import { createTally, type Tally } from './tally.ts';
import { watchServer } from './watch-server.ts';

export interface FuzzOptions {
  server: ServerProcess;
  databaseUrl: string;
  seed: number;
  requests: number;
  /** Connections at once. */
  lanes: number;
  /** Largest resident size of the server that is allowed, in MiB. */
  mostMemory: number;
  /** Only this request, after those that make what it may be about. */
  only?: number;
  /** Also what takes minutes: senders that stop, every refusal of every call, memory after a rest. */
  long: boolean;
  /** The run ends when this is aborted, or after so many milliseconds. */
  signal: AbortSignal;
  mostMs: number;
  say(line: string): void;
}

export interface FuzzVerdict {
  wrong: string[];
  figures: [string, string][];
  tally: Tally;
}

/** Requests at the start that bring about jobs, workers and claims for all that follow. */
const PRELUDE = {
  requests: 300,
  levels: ['valid'] satisfies Level[],
  operations: ['submitJob', 'registerWorker', 'claimSteps', 'listJobs', 'listSteps', 'listWorkers'],
};
/** Between so many requests it is looked at what refused ones leave behind. */
const STORING = { every: 10_000, requests: 80, operations: ['submitJob', 'submitBatch', 'registerWorker'] };
const MOST_WRONG = 20;
const REST_MS = 10_000;

/** Everything that the parts of a run share. */
interface Run {
  options: FuzzOptions;
  described: Described;
  pool: Pool;
  judge: Judge;
  tally: Tally;
  lanes: Lane[];
  /** By the clock of this process. */
  until: number;
}

/** Sends the requests of a seed to a server, and judges every answer. */
export async function runFuzz(options: FuzzOptions): Promise<FuzzVerdict> {
  const { server, databaseUrl, signal, seed } = options;
  const described = readDocument(JSON.parse(await (await fetch(`${server.url}/openapi.json`)).text()));
  const lanes = Array.from({ length: options.lanes }, () => createLane(server.port));
  const tally = createTally(described);
  const run: Run = {
    options,
    described,
    pool: createPool(),
    judge: createJudge(described),
    tally,
    lanes,
    until: performance.now() + options.mostMs,
  };
  const db = createDatabase(
    createConnections({
      connection: databaseUrl,
      max: 2,
      applicationName: 'holdfast fuzz',
      timeouts: { statement: 0 },
    }),
  );
  const watch = watchServer(server.pid, server.port);
  const stalled = options.long && options.requests >= 20_000 ? stall(server.port, signal) : [];
  const began = performance.now();
  const figures: [string, string][] = [['seed', String(seed)]];
  try {
    await play(run, 0, PRELUDE.requests, PRELUDE);
    const settled = watch.now();
    if (options.only === undefined) await playAll(run, db, () => `${watch.now()} MiB`);
    else await play(run, options.only, options.only + 1);
    const seconds = (performance.now() - began) / 1000;
    tally.wrong.push(...(await stalled), ...watch.trouble.slice(0, 3));
    for (const lane of lanes) lane.close();
    const busy = watch.now();
    if (options.long && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, REST_MS));
    const memory = `${settled} after the start, ${watch.peak()} at most, ${busy} at the end, ${watch.now()} after a rest`;
    if (watch.peak() > options.mostMemory)
      tally.wrong.push(`the server took ${watch.peak()} MiB, ${options.mostMemory} allowed`);
    tally.wrong.push(...brokenInvariants(await readRows(db)).slice(0, 10), ...loggedTrouble(server));
    if (options.only === undefined && tally.requests() < options.requests * 0.97)
      tally.wrong.push(`only ${tally.requests()} of ${options.requests} requests were sent`);
    if (options.only === undefined && !signal.aborted) tally.wrong.push(...tally.shallow(options.long));
    const stored = await countStored(db);
    const { byClass, byLevel } = tally;
    figures.push(
      [
        'requests',
        `${tally.requests()} in ${seconds.toFixed(1)} s, ${Math.round(tally.requests() / seconds)}/s`,
      ],
      ['by level', listed(byLevel)],
      ['by answer', listed(byClass)],
      ['jobs and workers kept', `${stored.jobs} and ${stored.workers}`],
      ['memory of the server, MiB', memory],
      ['/livez', `asked ${watch.probes} times, slowest ${watch.slowest} ms`],
    );
    return { wrong: tally.wrong, figures, tally };
  } finally {
    watch.stop();
    for (const lane of lanes) lane.close();
    await db.destroy();
  }
}

async function playAll(run: Run, db: Parameters<typeof countStored>[0], memory: () => string): Promise<void> {
  const { options, tally } = run;
  const every = Math.min(STORING.every, Math.ceil(options.requests / 2));
  for (let from = PRELUDE.requests; from < options.requests; from += every) {
    if (isOver(run)) return;
    const to = Math.min(options.requests, from + every);
    const storing = Math.max(from, to - STORING.requests);
    await play(run, from, storing);
    const before = await countSettled(db);
    const about = { operations: STORING.operations, levels: ['nearly', 'wire'] as const };
    const said = acceptedBy(await play(run, storing, to, about, (shot) => !shot.waits));
    const after = await countStored(db);
    const [jobs, workers] = [after.jobs - before.jobs, after.workers - before.workers];
    if (jobs !== said.jobs || workers !== said.workers)
      tally.wrong.push(
        `requests ${storing} to ${to} stored ${jobs} jobs and ${workers} workers, and said ${said.jobs} and ${said.workers}`,
      );
    options.say(`${to} requests, ${listed(tally.byClass)}, ${memory()}, ${tally.wrong.length} wrong`);
  }
}

type Only = Parameters<typeof makeShot>[3];

/** Sends requests `from` up to `to`, over all lanes at once. */
async function play(run: Run, from: number, to: number, only?: Only, fits = (_shot: Shot) => true) {
  const { options, pool, described } = run;
  const outcomes: Outcome[] = [];
  let next = from;
  const make = () => makeShot(options.seed, next++, { pool, described, port: options.server.port }, only);
  const oneLane = async (lane: Lane) => {
    while (next < to && !isOver(run)) {
      const shots = [make()].filter(fits);
      // Some requests do not wait for the answers to those before them. Where it is counted what they store, none: of one
      // behind an answer that ends the connection nobody hears what became of it.
      while (
        shots[0] !== undefined &&
        shots.length < 4 &&
        next < to &&
        only === undefined &&
        canPipeline(shots.at(-1) as Shot)
      ) {
        const shot = make();
        if (fits(shot)) shots.push(shot);
      }
      const whole = shots.filter(isWhole);
      const sent = whole.length > 0 ? await lane.send(whole) : [];
      for (const shot of shots) if (!isWhole(shot)) sent.push(...(await lane.send([shot])));
      for (const outcome of sent) settle(run, outcome);
      if (only !== undefined) outcomes.push(...sent);
    }
  };
  await Promise.all(run.lanes.map(oneLane));
  return outcomes;
}

const isOver = ({ options, tally, until }: Run) =>
  options.signal.aborted || tally.wrong.length >= MOST_WRONG || performance.now() > until;

const isWhole = ({ way, pieces }: Shot) => way === 'kept' && pieces === 1;
const canPipeline = (shot: Shot) => isWhole(shot) && shot.number % 7 === 0;

/** Judges and counts what became of one request, and remembers what it brought about. */
function settle({ judge, tally, pool, options }: Run, outcome: Outcome): void {
  const { shot, answers } = outcome;
  tally.count(outcome);
  if (outcome.trouble !== null) tally.fail(outcome, outcome.trouble, options.seed);
  for (const [at, answer] of answers.entries()) {
    let wrong: string | null;
    try {
      wrong = judge(outcome, answer, at === 0);
    } catch (error) {
      wrong = `cannot be judged: ${(error as Error).message}`;
    }
    if (wrong !== null) tally.fail(outcome, wrong, options.seed);
  }
  const [first] = answers;
  if (first === undefined || first.status >= 500) return;
  const isJson = first.text !== '' && /json/.test(first.headers['content-type'] ?? '');
  const json = isJson ? JSON.parse(first.text) : null;
  const { method, target, key, text } = shot;
  pool.remember({ method, path: target, ...(key ? { key, body: text ?? '' } : {}) }, { ...first, json });
}

function loggedTrouble(server: ServerProcess): string[] {
  const bad = server.logLines().filter(({ level }) => level === 'error' || level === 'fatal');
  return bad.slice(0, 5).map((line) => `the server logged ${JSON.stringify(line).slice(0, 1_500)}`);
}

function listed(counts: Record<string, number>): string {
  const entries = Object.entries(counts).sort(([a], [b]) => a.localeCompare(b));
  return entries.map(([name, count]) => `${name} ${count}`).join(', ');
}
