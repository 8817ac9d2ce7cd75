/**
 * Three servers on one database and eight remote workers, through 20,000 steps, while every server is killed and started
 * again, then stopped and started again in turn. `node scripts/proof-fleet.ts`; STEPS, SERVERS and WORKERS (20000, 3, 8)
 * say how much. Prints what it counted; ends with 1 when a promise was broken. Ctrl-C ends all that it started.
 */
import { createDatabase, createPool } from '../src/database/connection.ts';
import type { Happening } from '../test/fleet/drive.ts';
import { runFleet } from '../test/fleet/run-fleet.ts';
import { judgeFleet, type Verdict } from '../test/fleet/verdict.ts';
import { killWorkers } from '../test/fleet/workers.ts';
import { newDataDir, startOwner, urlOf } from '../test/support/embedded.ts';
import { stopEverything } from '../test/support/server-process.ts';

const STEPS = Number(process.env.STEPS ?? 20_000);
const SERVERS = Number(process.env.SERVERS ?? 3);
const WORKERS = Number(process.env.WORKERS ?? 8);
const DEADLINE_MS = 120_000 + STEPS * 30;

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => interrupted.abort(new Error(`ended by ${signal}`)));

const say = (line: string) => process.stdout.write(`${line}\n`);

async function prove(): Promise<Verdict> {
  const owner = await startOwner(newDataDir(), { settings: {} });
  const databaseUrl = urlOf(owner.connection);
  const turns = Array.from({ length: SERVERS }, (_, server) => server);
  const happens: Happening[] = [
    // One is back before anybody has noticed, one when its steps are taken over, one long after.
    ...turns.map((server): Happening => ({ what: 'kill', server, awayMs: server * 3_000 })),
    ...turns.map((server): Happening => ({ what: 'stop', server, awayMs: 0 })),
  ];
  const plan = {
    servers: SERVERS,
    workers: WORKERS,
    processes: true,
    steps: STEPS,
    pauseMs: 0,
    happens,
  };
  const options = { databaseUrl, folder: newDataDir(), signal: interrupted.signal, say };
  const run = await runFleet({ ...plan, deadlineMs: DEADLINE_MS }, options);
  const db = createDatabase(
    createPool({
      connection: databaseUrl,
      max: 2,
      applicationName: 'holdfast fleet',
      timeouts: { statement: 0 },
    }),
  );
  try {
    return await judgeFleet(db, run);
  } finally {
    await db.destroy();
  }
}

try {
  const { wrong, figures } = await prove();
  say('');
  for (const [what, value] of figures) say(`${what.padEnd(64)} ${value}`);
  for (const one of wrong) say(`BROKEN: ${one}`);
  say(wrong.length === 0 ? '\nproved: nothing lost, nothing twice' : '\nnot proved');
  process.exitCode = wrong.length === 0 ? 0 : 1;
} catch (error) {
  say(`not proved: ${(error as Error).stack}`);
  process.exitCode = 1;
} finally {
  await killWorkers();
  await stopEverything();
}
// A request that was given up on may still hold the process.
process.exit();
