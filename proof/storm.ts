/**
 * Servers, workers and a Postgres that are killed, held still, cut off and restarted while clients submit jobs, and a
 * verdict on what became of the work. `npm run storm -- --minutes 20 --seed 7`; `--pause` (seconds between two faults on
 * average, 2), `--servers` (3), `--report FILE` (the tables, in Markdown), `--keep` (leaves the folder with all
 * ledgers), `--judge FOLDER` (judges such a folder again). Ends with 1 when a promise was broken; Ctrl-C ends all
 * that it started.
 */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { stopEverything } from '../test/support/server-process.ts';
import { readEvidence } from './storm/evidence.ts';
import { shapesOf } from './storm/jobs.ts';
import { judge } from './storm/judge.ts';
import { countTried, reportOf } from './storm/report.ts';
import { runStorm } from './storm/run-storm.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
    pause: { type: 'string', default: '2' },
    servers: { type: 'string', default: '3' },
    report: { type: 'string' },
    judge: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
const WORKERS = ['bash', 'python', ...Array.from({ length: 6 }, () => 'typescript' as const)] as const;
// What is ours bears this, so that nothing of it stays behind.
process.env.HOLDFAST_STORM = `${process.pid}-${Date.now()}`;

const say = (line: string) => process.stdout.write(`${line}\n`);
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => interrupted.abort(new Error(`ended by ${signal}`)));

/** Whatever bears our mark in its environment and still lives, such as what a killed worker had started. */
function sweep(): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      if (Number(pid) !== process.pid && environment.includes(`HOLDFAST_STORM=${process.env.HOLDFAST_STORM}`))
        process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended meanwhile, or is somebody else's.
    }
  }
}

function verdict(folder: string): boolean {
  const evidence = readEvidence(folder);
  const findings = judge(evidence, shapesOf(''));
  const report = reportOf(findings, countTried(evidence));
  say(`\n${report}\n`);
  if (values.report !== undefined) writeFileSync(values.report, `${report}\n`);
  for (const { what, found } of findings)
    for (const one of found.slice(0, 5)) say(`BROKEN  ${what.split(':')[0]}: ${one}`);
  return findings.every(({ found }) => found.length === 0);
}

async function raise(): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-storm-'));
  // The database runs as another user where this one is root, and must get in.
  chmodSync(folder, 0o755);
  const plan = {
    seed: Number(values.seed),
    ms: Number(values.minutes) * 60_000,
    pauseMs: Number(values.pause) * 1_000,
    servers: Number(values.servers),
    workers: WORKERS,
    ttlMs: 4_000,
    calmMs: 30_000,
    ownDisk: true,
  };
  say(`storm of ${values.minutes} min, seed ${plan.seed}, in ${folder}`);
  try {
    await runStorm(plan, { folder, signal: interrupted.signal, say });
    return verdict(folder);
  } finally {
    if (values.keep) say(`all ledgers are in ${folder}`);
    else rmSync(folder, { recursive: true, force: true });
  }
}

try {
  const isClean = values.judge === undefined ? await raise() : verdict(values.judge);
  say(isClean ? 'proved: nothing lost, nothing twice' : 'not proved');
  process.exitCode = isClean ? 0 : 1;
} catch (error) {
  say(`not proved: ${(error as Error).stack}`);
  process.exitCode = 1;
} finally {
  await stopEverything();
  sweep();
}
// A request that was given up on may still hold the process.
process.exit();
