import type { Kysely } from 'kysely';
import type { Tables } from '../../src/database/tables.ts';
import type { ServerProcess } from '../../test/support/server-process.ts';
import type { Described } from './document.ts';
import type { Judge } from './judge.ts';
import type { Lane, Outcome } from './lane.ts';
import { makeShot } from './make-shot.ts';
import type { Pool } from './pool.ts';
import type { Level, Shot } from './shot.ts';
import { acceptedBy, countSettled, countStored } from './stored.ts';
import { listed, type Tally } from './tally.ts';

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

/** Requests at the start that bring about jobs, workers and claims for all that follow. */
export const PRELUDE = {
  requests: 300,
  levels: ['valid'] satisfies Level[],
  operations: ['submitJob', 'registerWorker', 'claimSteps', 'listJobs', 'listSteps', 'listWorkers'],
};
/** Between so many requests it is looked at what refused ones leave behind. */
const STORING = { every: 10_000, requests: 80, operations: ['submitJob', 'submitBatch', 'registerWorker'] };

/** Everything that the parts of a run share. */
export interface Run {
  options: FuzzOptions;
  described: Described;
  pool: Pool;
  judge: Judge;
  tally: Tally;
  lanes: Lane[];
  /** Nothing more is to be sent, whatever was asked for. */
  isOver(): boolean;
}

/** All requests of a run after the first; now and then it is counted what those that are refused leave behind. */
export async function playAll(run: Run, db: Kysely<Tables>, memory: () => string): Promise<void> {
  const { options, tally } = run;
  const every = Math.min(STORING.every, Math.ceil(options.requests / 2));
  for (let from = PRELUDE.requests; from < options.requests; from += every) {
    if (run.isOver()) return;
    const to = Math.min(options.requests, from + every);
    const storing = Math.max(from, to - STORING.requests);
    await play(run, from, storing);
    const before = await countSettled(db);
    const about = { operations: STORING.operations, levels: ['nearly', 'wire'] as const };
    const outcomes = await play(run, storing, to, about, (shot) => !shot.waits);
    const said = acceptedBy(outcomes);
    const after = await countStored(db);
    const [jobs, workers] = [after.jobs - before.jobs, after.workers - before.workers];
    const more = jobs - said.jobs + (workers - said.workers);
    // Of a request whose connection was cut nobody knows whether the server had all of it before.
    if (jobs < said.jobs || workers < said.workers || more > said.silent)
      tally.wrong.push(
        `requests ${storing} to ${to} stored ${jobs} jobs and ${workers} workers, and said ${said.jobs} and ${said.workers}: ${acceptedOf(outcomes)}`,
      );
    options.say(`${to} requests, ${listed(tally.byClass)}, ${memory()}, ${tally.wrong.length} wrong`);
  }
}

/** What was not refused, in words. */
function acceptedOf(outcomes: readonly Outcome[]): string {
  return outcomes
    .filter(({ answers }) => !answers.every(({ status }) => status >= 400))
    .map(
      ({ shot, answers }) =>
        `${shot.operation.id} ${answers.map(({ status }) => status).join('+') || 'silent'}`,
    )
    .join(', ');
}

type Only = Parameters<typeof makeShot>[3];

/** Sends requests `from` up to `to`, over all lanes at once. */
export async function play(run: Run, from: number, to: number, only?: Only, fits = (_shot: Shot) => true) {
  const { options, pool, described } = run;
  const outcomes: Outcome[] = [];
  let next = from;
  const make = () => makeShot(options.seed, next++, { pool, described, port: options.server.port }, only);
  const oneLane = async (lane: Lane) => {
    while (next < to && !run.isOver()) {
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
