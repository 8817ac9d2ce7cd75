import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { Tables } from '../../src/database/tables.ts';
import { formatClaimId } from '../../src/domain/claim-id.ts';
import { brokenInvariants, type Rows, readRows, type StepRow } from '../engine/invariants.ts';
import { type Answered, type Begun, type LedgerLine, readLedgers, stepOfClaim } from './ledger.ts';
import type { FleetRun } from './run-fleet.ts';
import type { Life } from './servers.ts';

/** How long after the death of its server a step of its pool may wait for others to take it over. */
const RESCUE_MS = 5_000;
const REMOTE = new Set(['echo', 'nap', 'unlucky']);

export interface Verdict {
  /** Every promise that was broken; empty when all is well. */
  wrong: string[];
  /** What was counted, for people. */
  figures: [what: string, value: string][];
}

/** Compares what the workers wrote down with what the database holds. */
export async function judgeFleet(db: Kysely<Tables>, run: FleetRun): Promise<Verdict> {
  const rows = await readRows(db);
  const lines = readLedgers(run.ledgers);
  const verdict: Verdict = { wrong: [], figures: [] };
  judgeJobs(verdict, run, rows);
  judgeLedgers(verdict, rows, lines);
  await judgeLives(verdict, db, run);
  const seconds = run.tookMs / 1000;
  const steps = run.load.steps;
  verdict.figures.push([
    'duration, submit to the end of the last job',
    `${seconds.toFixed(1)} s, ${(steps / seconds).toFixed(0)} steps/s`,
  ]);
  return verdict;
}

function count(what: string, wrong: number, verdict: Verdict, list: readonly string[] = []): void {
  verdict.figures.push([what, String(wrong)]);
  if (wrong > 0) verdict.wrong.push(`${what}: ${wrong} ${list.slice(0, 5).join(', ')}`.trim());
}

function judgeJobs(verdict: Verdict, { load, ended }: FleetRun, rows: Rows): void {
  const jobs = [...rows.jobs.values()];
  const steps = [...rows.steps.values()].flat();
  verdict.figures.push(
    ['jobs submitted, stored', `${load.jobs.size}, ${jobs.length}`],
    ['steps submitted, stored', `${load.steps}, ${steps.length}`],
    ['submits sent to two servers under one key', String(load.doubled)],
  );
  if (!ended) verdict.wrong.push('not every job ended in time');
  count('of these, made two jobs', load.twice, verdict);
  count('jobs lost', [...load.jobs].filter((id) => !rows.jobs.has(id)).length, verdict);
  count('jobs nobody was told of', jobs.filter(({ id }) => !load.jobs.has(id)).length, verdict);
  const unhappy = jobs.filter(({ status }) => status !== 'succeeded');
  count(
    'jobs that did not succeed',
    unhappy.length,
    verdict,
    unhappy.map(({ id, status }) => `${id} ${status}`),
  );
  count('steps that did not succeed', steps.filter(({ status }) => status !== 'succeeded').length, verdict);
  if (steps.length !== load.steps)
    verdict.wrong.push(`${load.steps} steps submitted, ${steps.length} stored`);
  const broken = brokenInvariants(rows);
  count('counters unlike a recount, attempts with gaps', broken.length, verdict, broken);
}

function judgeLedgers(verdict: Verdict, rows: Rows, lines: readonly LedgerLine[]): void {
  const begun = lines.filter((line): line is Begun => line.kind === 'begun');
  const answers = lines.filter((line): line is Answered => line.kind === 'answered');
  const ran = new Set(begun.map(({ claim }) => claim));
  const accepted = claimsOf(answers, ({ status, outcome }) => status === 200 && outcome === 'succeeded');
  const refused = claimsOf(answers, ({ status }) => status !== 200);
  const steps = [...rows.steps.values()].flat().filter(({ uses }) => REMOTE.has(String(uses)));
  const kept = keptClaims(steps);
  const final = new Set(kept.values());

  verdict.figures.push(
    ['steps of remote workers', String(steps.length)],
    ['executions that began', String(begun.length)],
    ['of these, beyond one a step', String(begun.length - steps.length)],
    ['results accepted, by the ledgers', String(accepted.size)],
  );
  count('executions begun twice under one claim', begun.length - ran.size, verdict);
  const byStep = Map.groupBy(accepted, stepOfClaim);
  const doubled = [...byStep].filter(([, claims]) => claims.length > 1);
  count(
    'steps with two accepted results',
    doubled.length,
    verdict,
    doubled.map(([step]) => step),
  );
  const foreign = [...accepted].filter((claim) => kept.get(stepOfClaim(claim)) !== claim);
  count('accepted results that are not the stored ones', foreign.length, verdict, foreign);
  judgeOutputs(verdict, steps, kept, ran);
  const both = [...refused].filter((claim) => accepted.has(claim) || final.has(claim));
  count('results both refused and accepted', both.length, verdict, both);
  const unheard = [...final].filter((claim) => !accepted.has(claim));
  verdict.figures.push(
    ['accepted results whose answer never came', String(unheard.length)],
    ['late results refused', `${refused.size} (${codesOf(answers)})`],
  );
}

/** By step, the claim that the database holds as the one that it ended by. */
function keptClaims(steps: readonly StepRow[]): Map<string, string> {
  return new Map(
    steps.map((step) => {
      const claim = formatClaimId({ ...step, claim_id: String(step.claim_id) });
      return [stepOfClaim(claim), claim] as const;
    }),
  );
}

/** Each stored output says by which claim it came about, and from which outputs of other steps. */
function judgeOutputs(
  verdict: Verdict,
  steps: readonly StepRow[],
  kept: ReadonlyMap<string, string>,
  ran: ReadonlySet<string>,
): void {
  const final = new Set(kept.values());
  const output = (step: StepRow) => step.output as { claim: string; attempt: number; above: string[] } | null;
  const other = steps.filter((step) => output(step)?.claim !== kept.get(keyOf(step)));
  count('stored outputs of another claim', other.length, verdict, other.map(keyOf));
  const wrongAttempt = steps.filter((step) => output(step)?.attempt !== step.attempt);
  count('stored outputs of another attempt', wrongAttempt.length, verdict, wrongAttempt.map(keyOf));
  const stale = steps.filter((step) => output(step)?.above.some((claim) => !final.has(claim)));
  count('steps given an output that was not accepted', stale.length, verdict, stale.map(keyOf));
  count(
    'steps that ended without an execution',
    steps.filter((step) => !ran.has(output(step)?.claim ?? '')).length,
    verdict,
  );
}

function claimsOf(answers: readonly Answered[], wanted: (answer: Answered) => boolean): Set<string> {
  return new Set(answers.filter(wanted).map(({ claim }) => claim));
}

function codesOf(answers: readonly Answered[]): string {
  const codes = answers.filter(({ status }) => status !== 200).map(({ status, code }) => `${status} ${code}`);
  return [...Map.groupBy(codes, (code) => code)]
    .map(([code, { length }]) => `${length} × ${code}`)
    .join(', ');
}

function keyOf({ job_id, ordinal }: { job_id: string; ordinal: number }): string {
  return `${job_id}/${ordinal}`;
}

/** What the deaths of servers and workers cost. */
async function judgeLives(verdict: Verdict, db: Kysely<Tables>, run: FleetRun): Promise<void> {
  const { rows: ends } = await sql<{ claimed_by: string; outcome: string; finished: number }>`
    select claimed_by, outcome, extract(epoch from finished_at)::float8 * 1000 as finished from attempt`.execute(
    db,
  );
  const slowest: number[] = [];
  for (const life of run.lives) {
    const { end, workerId, server } = life;
    if (end === undefined) continue;
    const lost = ends.filter(({ claimed_by, outcome }) => claimed_by === workerId && outcome === 'lost');
    const ms = lost.map(({ finished }) => finished - end.at);
    slowest.push(...ms);
    const what = end.by === 'SIGKILL' ? 'killed' : 'told to stop';
    const rescued = ms.length === 0 ? '' : `, the last after ${Math.max(...ms).toFixed(0)} ms`;
    verdict.figures.push([`${server}, ${what}: steps of its pool taken over`, `${lost.length}${rescued}`]);
    if (end.by === 'SIGTERM') {
      if (lost.length > 0)
        verdict.wrong.push(`${server} stopped when told to, and lost ${lost.length} steps`);
      if (end.code !== 0) verdict.wrong.push(`${server} stopped when told to, with exit code ${end.code}`);
    }
  }
  const late = slowest.filter((ms) => ms > RESCUE_MS);
  count(`steps of dead servers rescued after more than ${RESCUE_MS / 1000} s`, late.length, verdict);
  await countAttempts(verdict, db);
  const exits = [...run.workerExits]
    .filter(([, code]) => code !== 0)
    .map(([name, code]) => `${name} ${code}`);
  count('workers that did not leave with exit code 0', exits.length, verdict, exits);
  judgeLogs(verdict, run.lives);
  const { rows } = await sql<{ deadlocks: number }>`
    select deadlocks::int4 as deadlocks from pg_stat_database where datname = current_database()`.execute(db);
  count('deadlocks', rows[0]?.deadlocks ?? 0, verdict);
}

function judgeLogs(verdict: Verdict, lives: readonly Life[]): void {
  const lines = lives.flatMap(({ process }) => process.logLines());
  const errors = lines.filter(({ level }) => level === 'error' || level === 'fatal');
  count(
    'errors in the logs of the servers',
    errors.length,
    verdict,
    errors.map((line) => JSON.stringify(line)),
  );
}

/** Attempts of remote workers that did not settle their step, by worker: who was cut off or stood still, and who was not. */
async function countAttempts(verdict: Verdict, db: Kysely<Tables>): Promise<void> {
  const { rows } = await sql<{ outcome: string; name: string; count: number }>`
    select a.outcome, w.name, count(*)::int4 as count from attempt a join worker w on w.id = a.claimed_by
    where w.kind = 'remote' group by 1, 2 order by 1, 2`.execute(db);
  for (const [outcome, list] of Map.groupBy(rows, (row) => row.outcome)) {
    const text = list.map(({ name, count }) => `${count} ${name}`).join(', ');
    verdict.figures.push([`attempts of remote workers that were ${outcome}`, text]);
  }
}
