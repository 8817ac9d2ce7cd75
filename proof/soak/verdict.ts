import { type Kysely, sql } from 'kysely';
import type { Tables } from '../../src/database/tables.ts';
import { brokenInvariants, readRows } from '../../test/engine/invariants.ts';
import type { JobAccount } from './load.ts';
import { BUSY, figuresOf, QUANTITIES, type Sample } from './quantities.ts';
import { type SoakRun, warmUpOf } from './run-soak.ts';
import { trendOf } from './trend.ts';

export interface Verdict {
  /** Promises that were broken; empty when all is well. */
  wrong: string[];
  /** What was counted: what, and how much. */
  figures: [string, string][];
}

/** Programs are still growing into their work: what grows in less time than this says nothing. */
const LEAST_MINUTES = 5;

/** Judges a run by what clients were told, what the database holds, what the servers logged, and what was recorded. */
export async function judgeSoak(db: Kysely<Tables>, run: SoakRun): Promise<Verdict> {
  const verdict: Verdict = { wrong: [...run.account.wrong.slice(0, 5)], figures: [] };
  const { jobs, steps, done, wrong } = run.account;
  verdict.figures.push(['jobs, steps submitted', `${jobs.size}, ${steps}`]);
  for (const [what, many] of Object.entries(done)) verdict.figures.push([what, String(many)]);
  verdict.figures.push(['calls that went wrong, ends that were not expected', String(wrong.length)]);
  await judgeRows(verdict, db, run);
  judgeLogs(verdict, run);
  for (const [name, code] of run.exits)
    if (code !== 0) verdict.wrong.push(`${name} left with exit code ${code}`);
  judgeTrends(verdict, run.samples, warmUpOf(run.plan));
  return verdict;
}

function count(verdict: Verdict, what: string, list: readonly string[]): void {
  verdict.figures.push([what, String(list.length)]);
  if (list.length > 0) verdict.wrong.push(`${what}: ${list.length}, such as ${list.slice(0, 3).join(', ')}`);
}

async function judgeRows(verdict: Verdict, db: Kysely<Tables>, run: SoakRun): Promise<void> {
  const rows = await readRows(db);
  const stored = [...rows.jobs.values()];
  verdict.figures.push([
    'jobs, steps stored in the end',
    `${stored.length}, ${[...rows.steps.values()].flat().length}`,
  ]);
  const { lost, kept, unknown, unended } = compareJobs(run.account.jobs, rows.jobs, run.keptSince);
  count(verdict, 'jobs whose end no client saw', unended);
  count(verdict, 'jobs deleted before their time', lost);
  count(verdict, 'jobs kept beyond their time', kept);
  count(verdict, 'jobs stored that nobody submitted', unknown);
  count(
    verdict,
    'jobs open in the end',
    stored.filter(({ finished_at }) => finished_at === null).map(({ id }) => id),
  );
  count(verdict, 'counters unlike a recount', brokenInvariants(rows));
  count(verdict, 'rows that belong to no job', await findOrphans(db));
  const { rows: whole } = await sql<{ deadlocks: number }>`
    select deadlocks::int4 as deadlocks from pg_stat_database where datname = current_database()`.execute(db);
  count(
    verdict,
    'deadlocks',
    Array.from({ length: whole[0]?.deadlocks ?? 0 }, () => 'one'),
  );
}

/** Which jobs are not where retention should have brought them; `keptSince` as in `SoakRun`. */
export function compareJobs(
  jobs: ReadonlyMap<string, JobAccount>,
  stored: ReadonlyMap<string, unknown>,
  keptSince: number,
): Record<'lost' | 'kept' | 'unknown' | 'unended', string[]> {
  const ids = (wanted: (job: JobAccount, isStored: boolean) => boolean) =>
    [...jobs].filter(([id, job]) => wanted(job, stored.has(id))).map(([id]) => id);
  const isDue = ({ endedAt, removed }: JobAccount) => removed || (endedAt !== null && endedAt < keptSince);
  return {
    unended: ids(({ endedAt }) => endedAt === null),
    lost: ids((job, isStored) => !isStored && !isDue(job)),
    kept: ids((job, isStored) => isStored && isDue(job)),
    unknown: [...stored.keys()].filter((id) => !jobs.has(id)),
  };
}

async function findOrphans(db: Kysely<Tables>): Promise<string[]> {
  const { rows } = await sql<{ what: string }>`
    select 'attempt of ' || job_id as what from attempt a where not exists (select from job where id = a.job_id)
    union select 'log of ' || job_id from step_log l where not exists (select from job where id = l.job_id)`.execute(
    db,
  );
  return rows.map(({ what }) => what);
}

function judgeLogs(verdict: Verdict, { servers, cleanedUp }: SoakRun): void {
  const lines = servers.flatMap((server) => server.logLines());
  const bad = lines.filter(({ level }) => level === 'error' || level === 'fatal');
  count(
    verdict,
    'errors in the logs of the servers',
    bad.map((line) => JSON.stringify(line)),
  );
  // Of a step or a job that fails, as some are made to, a warning tells.
  const odd = lines.filter(({ level, job_id }) => level === 'warn' && job_id === undefined);
  verdict.figures.push(['other warnings in them', String(odd.length)]);
  for (const [msg, alike] of Map.groupBy(odd, (line) => line.msg)) {
    const { time, err } = alike[0] as (typeof odd)[number];
    const why = (err as { message?: string } | undefined)?.message ?? '';
    verdict.figures.push([`  ${msg}`, `${alike.length}, first at ${time}: ${why}`]);
  }
  const pruned = lines.reduce((sum, { msg, jobs }) => sum + (/^pruned /.test(msg) ? Number(jobs) : 0), 0);
  verdict.figures.push(['jobs deleted by the servers themselves, by cleanup', `${pruned}, ${cleanedUp}`]);
}

/** Says of each figure that was recorded whether it grows once the time to warm up (in minutes) is over. */
export function judgeTrends(verdict: Verdict, samples: readonly Sample[], warmUp: number): void {
  const judged = samples.filter(({ minute }) => minute >= warmUp);
  const minutes = (judged.at(-1)?.minute ?? 0) - warmUp;
  if (minutes < LEAST_MINUTES) {
    verdict.figures.push([
      'slopes',
      `not judged: ${minutes.toFixed(1)} minutes after the warm-up are too few`,
    ]);
    return;
  }
  verdict.figures.push([
    'slopes: minutes judged, after a warm-up of',
    `${minutes.toFixed(1)}, ${warmUp.toFixed(1)}`,
  ]);
  const isBusier = trendOf(pointsOf(judged, BUSY.figure), BUSY.limit)?.grows === true;
  if (isBusier) verdict.figures.push(['times', 'not judged: the machine became busier']);
  for (const quantity of QUANTITIES) {
    const { title, unit, scale, limit } = quantity;
    if (limit === undefined) continue;
    for (const { line, figure } of figuresOf(quantity, judged)) {
      const trend = trendOf(pointsOf(judged, figure), limit);
      if (trend === null) continue;
      const show = (value: number) => Number((value / scale).toPrecision(3));
      const text = `${show(trend.median)} ${unit}, ${trend.growth < 0 ? '' : '+'}${show(trend.growth)}`;
      verdict.figures.push([`  ${title}: ${line}`, text]);
      if (trend.grows && !(isBusier && unit === 'ms'))
        verdict.wrong.push(
          `${title}: ${line} grows by ${show(trend.growth)} ${unit} in ${minutes.toFixed(0)} minutes, surely by ${show(trend.surely)}`,
        );
    }
  }
}

function pointsOf(samples: readonly Sample[], figure: string): { at: number; value: number }[] {
  return samples.flatMap(({ minute, figures: { [figure]: value } }) =>
    value === undefined ? [] : [{ at: minute, value }],
  );
}
