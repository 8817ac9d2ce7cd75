import { afterAll, beforeAll, expect, it } from 'vitest';
import { attack, type Outcome } from '../../proof/overload/attack.ts';
import { type Kind, kindsOf } from '../../proof/overload/kinds.ts';
import { openScene, type Scene } from '../../proof/overload/scene.ts';
import { brokenPromises } from '../../proof/overload/verdict.ts';
import { startWatch, type Watch, watchMemory } from '../../proof/overload/watch.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { stopEverything } from '../support/server-process.ts';

let database: TestDatabase;
let scene: Scene;
let watch: Watch;
let kinds: Kind[];
beforeAll(async () => {
  database = await testDatabase({ max: 2 });
  scene = await openScene(database.url);
  watch = startWatch(scene.server.port, scene.claims);
  kinds = kindsOf({ scale: 0.05, ms: 1_000 }, scene.aim);
}, 60_000);
afterAll(async () => {
  await watch?.stop();
  await scene?.stop();
  await stopEverything();
  await database?.close();
}, 60_000);

/** Floods the server with one kind after the other; gives what came of each. */
async function floods(...names: string[]): Promise<Record<string, Outcome>> {
  const memory = watchMemory(scene.server.pid);
  const { signal } = new AbortController();
  const outcomes: Outcome[] = [];
  for (const kind of kinds.filter(({ name }) => names.includes(name)))
    outcomes.push(await attack(kind, scene, watch, memory, signal));
  memory.stop();
  expect(outcomes.map(({ kind }) => kind)).toEqual(names);
  return Object.fromEntries(outcomes.map((outcome) => [outcome.kind, outcome]));
}

it('a flood ends in answers, stays under the cap of memory, harms no claim, and is over when it is over', async () => {
  const outcomes = await floods('large jobs', 'slow database', 'locked rows');
  expect(outcomes['large jobs']?.tally.codes.get('overloaded')).toBeGreaterThan(0);
  expect(outcomes['large jobs']?.tally.answers.get('202')).toBeGreaterThan(0);
  expect(brokenPromises(Object.values(outcomes), await scene.complete())).toEqual([]);
}, 120_000);
