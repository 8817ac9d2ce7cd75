/**
 * Steady load on two servers and two remote workers for an hour, while jobs are deleted some minutes after their end:
 * nothing may grow once the first quarter is over, and nothing may be lost. `node proof/soak.ts -- --minutes 60`.
 *   --minutes N     how long (60); slopes are judged from 7 minutes on
 *   --rate N        jobs a second (4), of eight steps each on average
 *   --folder DIR    where samples.jsonl goes, a line for each look; a temporary folder when absent
 *   --plot FILE     writes what was recorded as an SVG
 *   --from FILE     judges the slopes in such samples.jsonl and plots them, and starts nothing
 * Ends with 1 when a promise was broken. Ctrl-C ends all that it started.
 */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createDatabase, createPool } from '../src/database/connection.ts';
import { newDataDir, startOwner, urlOf } from '../test/support/embedded.ts';
import { stopEverything } from '../test/support/server-process.ts';
import { closeAll } from '../test/support/services.ts';
import { plot } from './soak/plot.ts';
import type { Sample } from './soak/quantities.ts';
import { planOf, runSoak, type SoakPlan, warmUpOf } from './soak/run-soak.ts';
import { judgeSoak, judgeTrends, type Verdict } from './soak/verdict.ts';
import { killWorkers } from './soak/workers.ts';

const { values } = parseArgs({
  args: process.argv.slice(2).filter((one) => one !== '--'),
  options: {
    minutes: { type: 'string', default: '60' },
    rate: { type: 'string' },
    folder: { type: 'string' },
    plot: { type: 'string' },
    from: { type: 'string' },
  },
});

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => interrupted.abort(new Error(`ended by ${signal}`)));

const say = (line: string) => process.stdout.write(`${line}\n`);

function draw(samples: readonly Sample[], plan: SoakPlan): void {
  if (values.plot === undefined) return;
  const cores = availableParallelism();
  const title = `${plan.minutes} minutes of ${plan.rate} jobs a second, ${plan.servers} servers, ${cores} cores; grey: warm-up`;
  writeFileSync(values.plot, plot(samples, { title, warmUp: warmUpOf(plan) }));
}

function judgeAgain(file: string): Verdict {
  const [head = '', ...lines] = readFileSync(file, 'utf8').trimEnd().split('\n');
  const { plan } = JSON.parse(head) as { plan: SoakPlan };
  const samples = lines.map((line) => JSON.parse(line) as Sample);
  draw(samples, plan);
  const verdict: Verdict = { wrong: [], figures: [] };
  judgeTrends(verdict, samples, warmUpOf(plan));
  return verdict;
}

async function prove(): Promise<Verdict> {
  const minutes = Number(values.minutes);
  const usual = planOf(minutes);
  const plan = { ...usual, rate: Number(values.rate ?? usual.rate) };
  if (!(minutes > 0 && plan.rate > 0)) throw new Error('--minutes and --rate are numbers above 0');
  const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'holdfast-soak-'));
  mkdirSync(folder, { recursive: true });
  say(`${minutes} minutes; every look goes to ${join(folder, 'samples.jsonl')}`);
  const owner = await startOwner(newDataDir(), { settings: {} });
  const databaseUrl = urlOf(owner.connection);
  const run = await runSoak(plan, { databaseUrl, folder, signal: interrupted.signal, say });
  draw(run.samples, plan);
  const timeouts = { statement: 0 };
  const db = createDatabase(
    createPool({ connection: databaseUrl, max: 2, applicationName: 'holdfast soak', timeouts }),
  );
  try {
    return await judgeSoak(db, run);
  } finally {
    await db.destroy();
  }
}

try {
  const { wrong, figures } = values.from === undefined ? await prove() : judgeAgain(values.from);
  say('');
  for (const [what, value] of figures) say(`${what.padEnd(72)} ${value}`);
  for (const one of wrong) say(`BROKEN: ${one}`);
  say(wrong.length === 0 ? '\nproved: nothing lost, nothing grows' : '\nnot proved');
  process.exitCode = wrong.length === 0 ? 0 : 1;
} catch (error) {
  say(`not proved: ${(error as Error).stack}`);
  process.exitCode = 1;
} finally {
  await killWorkers();
  await closeAll();
  await stopEverything();
}
// A request that was given up on may still hold the process.
process.exit();
