/**
 * Floods a server with more than it can take, kind by kind, also while its database is slow, silent or locked, and
 * watches it meanwhile. `node proof/overload.ts`; SCALE (1) and SECONDS (10, of each flood) say how much, ONLY names
 * kinds. Prints a table; ends with 1 when a promise was broken. Ctrl-C ends all that it started.
 */
import { newDataDir, startOwner, urlOf } from '../test/support/embedded.ts';
import { stopEverything } from '../test/support/server-process.ts';
import { attack, type Outcome } from './overload/attack.ts';
import { kindsOf } from './overload/kinds.ts';
import { openScene } from './overload/scene.ts';
import { brokenPromises, row, TABLE_HEAD } from './overload/verdict.ts';
import { startWatch, watchMemory } from './overload/watch.ts';

const SCALE = Number(process.env.SCALE ?? 1);
const SECONDS = Number(process.env.SECONDS ?? 10);
const ONLY = process.env.ONLY?.split(',');

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => interrupted.abort(new Error(`ended by ${signal}`)));

const say = (line: string) => process.stdout.write(`${line}\n`);

async function prove(): Promise<string[]> {
  const owner = await startOwner(newDataDir(), { settings: {} });
  const scene = await openScene(urlOf(owner.connection));
  const memory = watchMemory(scene.server.pid);
  const watch = startWatch(scene.server.port, scene.claims);
  const outcomes: Outcome[] = [];
  try {
    say(`a server with ${scene.claims.length} claims, ${Math.round(memory.now())} MiB`);
    say(TABLE_HEAD);
    for (const kind of kindsOf({ scale: SCALE, ms: SECONDS * 1_000 }, scene.aim)) {
      if (interrupted.signal.aborted || (ONLY && !ONLY.includes(kind.name))) continue;
      const outcome = await attack(kind, scene, watch, memory, interrupted.signal);
      outcomes.push(outcome);
      say(row(outcome));
    }
    await watch.stop();
    return [
      ...brokenPromises(outcomes, await scene.complete()),
      ...(interrupted.signal.aborted ? ['cut short'] : []),
    ];
  } finally {
    memory.stop();
    await watch.stop();
    await scene.stop();
  }
}

try {
  const wrong = await prove();
  for (const line of wrong) say(`broken: ${line}`);
  say(wrong.length === 0 ? 'the server stood' : `${wrong.length} promises broken`);
  process.exitCode = wrong.length === 0 ? 0 : 1;
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`);
  process.exitCode = 1;
} finally {
  await stopEverything();
}
process.exit();
