import { afterAll, expect, test } from 'vitest';
import { tryAll } from '../../proof/crash-points/campaign.ts';
import { killChildren } from '../../proof/crash-points/children.ts';
import { openPlace, type Place } from '../../proof/crash-points/place.ts';
import { SCENARIOS } from '../../proof/crash-points/scenarios.ts';
import type { Point } from '../../proof/crash-points/statements.ts';
import type { Prepared } from '../../proof/crash-points/trace.ts';
import { testDatabase } from '../support/database.ts';
import { cleanUp, newDataDir } from '../support/embedded.ts';

const ends: (() => Promise<void>)[] = [];

afterAll(async () => {
  await killChildren();
  for (const end of ends) await end();
  await cleanUp();
});

async function newPlace(): Promise<Place> {
  const database = await testDatabase({ max: 1 });
  const place = openPlace(database.url);
  ends.push(
    () => place.close(),
    () => database.close(),
  );
  return place;
}

const scenarios = SCENARIOS.filter(({ large }) => !large);

/**
 * One point of each, in turn: the commit that makes the change when it was sent and not answered, before it was sent,
 * when it was answered, and the middle of the way there. `node proof/crash-points.ts` tries them all.
 */
function spread(points: readonly Point[], { scenario, trace }: Prepared): Point[] {
  const commit = trace.states[1]?.after ?? trace.statements.length;
  const [before, sent, answered] = points.slice((commit - 1) * 3, commit * 3);
  const middle = points[Math.floor(((commit - 1) * 3) / 2)];
  const one = [sent, before, answered, middle][scenarios.indexOf(scenario) % 4];
  return one === undefined ? [] : [one];
}

test('stores all of an operation or nothing, wherever its process is killed, and every job comes to its end', async () => {
  const places = [await newPlace(), await newPlace()];
  const reports = await tryAll({ places, scenarios, cache: newDataDir(), choose: spread, once: true });
  expect(reports.flatMap(({ broken }) => broken)).toEqual([]);
  // It did try.
  for (const { name, points, outcomes } of reports) {
    const { nothing, everything } = outcomes;
    expect(nothing + everything + outcomes['a part'], name).toBe(points);
  }
}, 240_000);
