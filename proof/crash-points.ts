/**
 * Kills a process before, at and after every statement that each operation sends to the database, and looks at what is
 * stored: nothing or everything, never a part, and all jobs come to their end. `node proof/crash-points.ts`; words
 * choose operations by name (`settle`), PLACES (default 2) says how many processes die at once. Ends with 1 when a
 * promise was broken. Ctrl-C ends all that it started.
 */

import { migrate } from '../src/database/migrations.ts';
import { cleanUp, newDataDir, startOwner, urlOf } from '../test/support/embedded.ts';
import { onServer, withDatabase } from '../test/support/server.ts';
import { type Report, tryAll } from './crash-points/campaign.ts';
import { killChildren } from './crash-points/children.ts';
import { openPlace, type Place } from './crash-points/place.ts';
import { SCENARIOS } from './crash-points/scenarios.ts';

const PLACES = Number(process.env.PLACES ?? 2);
const MOST_MINUTES = 60;

const words = process.argv.slice(2);
const scenarios = SCENARIOS.filter(
  ({ name }) => words.length === 0 || words.some((word) => name.includes(word)),
);
const say = (line: string) => process.stdout.write(`${line}\n`);

const ended = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    ended.abort(new Error(`ended by ${signal}`));
    // Whoever waits for a process to die has waited long enough.
    void killChildren();
  });
}
const limit = AbortSignal.timeout(MOST_MINUTES * 60_000);

async function openPlaces(): Promise<Place[]> {
  const owner = await startOwner(newDataDir());
  const url = urlOf(owner.connection);
  const places: Place[] = [];
  for (let number = 1; number <= PLACES; number += 1) {
    await onServer(url, `create database place_${number}`);
    const own = withDatabase(url, `place_${number}`);
    await migrate(own);
    places.push(openPlace(own));
  }
  return places;
}

const COLUMNS = ['statements', 'commits', 'points', 'nothing', 'a part', 'everything', 'broken'];

function line(name: string, cells: readonly (string | number)[]): string {
  return `| ${name.padEnd(58)} |${cells.map((cell, i) => ` ${String(cell).padStart(COLUMNS[i]?.length ?? 0)} |`).join('')}`;
}

function cellsOf({ statements, commits, points, outcomes, broken }: Report): number[] {
  const { nothing, everything } = outcomes;
  return [statements, commits, points, nothing, outcomes['a part'], everything, broken.length];
}

function done(report: Report): void {
  say(line(report.name, cellsOf(report)));
  for (const one of report.broken) say(`BROKEN: ${one}`);
}

async function prove(): Promise<boolean> {
  const started = performance.now();
  const places = await openPlaces();
  say(line('operation', COLUMNS));
  say(
    line(
      '-'.repeat(58),
      COLUMNS.map((name) => `${'-'.repeat(name.length - 1)}:`),
    ),
  );
  try {
    const signal = AbortSignal.any([ended.signal, limit]);
    const reports = await tryAll({ places, scenarios, cache: newDataDir(), done, signal });
    const all = reports.map(cellsOf).reduce((sums, cells) => sums.map((sum, i) => sum + (cells[i] ?? 0)));
    say(line(`${reports.length} situations`, all));
    const seconds = Math.round((performance.now() - started) / 1000);
    const broken = all.at(-1) ?? 0;
    say('');
    say(
      `${all[2]} processes killed in ${seconds} s; ${all[4]} left a part of what takes several transactions`,
    );
    say(
      broken === 0
        ? 'proved: all or nothing, and every job came to its end'
        : `not proved: ${broken} promises broken`,
    );
    return broken === 0;
  } finally {
    for (const place of places) await place.close();
  }
}

try {
  if (scenarios.length === 0) throw new Error(`no operation is called ${words.join(' or ')}`);
  process.exitCode = (await prove()) ? 0 : 1;
} catch (error) {
  // What was cut off complains as well; why it was cut off says more.
  const cause = ended.signal.aborted ? ended.signal.reason : limit.aborted ? limit.reason : error;
  say(`not proved: ${(cause as Error).message}`);
  process.exitCode = 1;
} finally {
  await killChildren();
  await cleanUp();
}
process.exit();
