/**
 * Holdfast beside its peers, on one PostgreSQL, in turn: `npm run bench:peers`.
 *
 *   --quick        one short round, to try it out; its figures go to bench/results/ alone
 *   --only A,B     these contestants
 *   --shapes A,B   these of independent, chain, fan, alone
 *   --rounds N     3 when absent
 *   --report FILE  writes the page once more, from the results of an earlier run
 *
 * A run of everybody writes docs/performance/peers.md and peers.svg.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ENTRIES, type Entry, versionOf } from './peers/catalogue.ts';
import { type Cluster, startCluster } from './peers/cluster.ts';
import { SHAPES, type Shape } from './peers/contestant.ts';
import { type Measurement, measure } from './peers/measure.ts';
import { page } from './report/page.ts';
import { briefly, drainRate, type Results, submitRate } from './report/results.ts';

const HERE = import.meta.dirname;
const DOCS = join(HERE, '../docs/performance');
const RESULTS = join(HERE, 'results');
const QUICK_PART = 0.15;
const WARM_UP_JOBS = 20;
const LIMIT_MS = 90_000;

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    shapes: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    report: { type: 'string' },
  },
});

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function install(): void {
  const installed = statSync(join(HERE, 'node_modules/.package-lock.json'), { throwIfNoEntry: false });
  if (installed !== undefined && installed.mtimeMs > statSync(join(HERE, 'package-lock.json')).mtimeMs)
    return;
  say('Installing the peers into bench/node_modules …');
  const { status } = spawnSync('npm ci', { cwd: HERE, shell: true, stdio: 'inherit' });
  if (status !== 0) throw new Error('npm ci failed in bench/');
}

function chosen<Name extends string>(list: string | undefined, known: readonly Name[]): Name[] {
  if (list === undefined) return [...known];
  const names = list.split(',');
  const unknown = names.filter((name) => !(known as readonly string[]).includes(name));
  if (unknown.length > 0) throw new Error(`unknown: ${unknown.join(', ')}; there is ${known.join(', ')}`);
  return known.filter((name) => names.includes(name));
}

async function runAll(entries: Entry[], shapes: Shape[], rounds: number): Promise<Results> {
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  process.once('SIGTERM', () => interrupt.abort());
  const cluster = await startCluster();
  try {
    const measurements = await measureAll(cluster, entries, shapes, rounds, interrupt.signal);
    return describe(cluster, measurements);
  } finally {
    await cluster.stop();
  }
}

async function measureAll(
  cluster: Cluster,
  entries: Entry[],
  shapes: Shape[],
  rounds: number,
  signal: AbortSignal,
): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  // A B C, A B C: what else the machine does in these minutes meets all of them alike.
  for (let round = 1; round <= rounds; round += 1) {
    for (const shape of shapes) {
      for (const entry of entries.filter(({ alone }) => alone || shape !== 'alone')) {
        if (signal.aborted) throw new Error('interrupted');
        const { name: contestant, title, variant } = entry;
        const module = join(HERE, 'peers', entry.module);
        const jobs = jobsOf(entry, shape);
        const start = { contestant, module, variant, shape, jobs, round, limitMs: LIMIT_MS };
        const measurement = await measure(cluster, start, signal);
        if (signal.aborted) throw new Error('interrupted');
        measurements.push({ ...measurement, void: measurement.void && briefly(measurement.void) });
        say(`${round}/${rounds} ${shape.padEnd(12)} ${title.padEnd(24)} ${line(measurement)}`);
      }
    }
  }
  return measurements;
}

function jobsOf({ jobs }: Entry, shape: Shape): number {
  if (shape === 'alone') return WARM_UP_JOBS;
  return Math.ceil(jobs[shape] * (options.quick ? QUICK_PART : 1));
}

function line(one: Measurement): string {
  if (one.void !== null) return `void: ${one.void}`;
  if (one.alone_ms !== null) return `${one.alone_ms.toFixed(1)} ms`.padStart(16);
  const number = (value: number | null, unit: string) =>
    `${Math.round(value ?? 0).toLocaleString('en')} ${unit}`.padStart(16);
  const a = (value: number | null) => (value === null ? '–' : (value / one.steps).toFixed(2));
  return [
    number(drainRate(one), 'steps/s'),
    number(submitRate(one), 'jobs/s in'),
    `  ${((one.drain_ms ?? 0) / 1000).toFixed(1)} s`,
    `  a step: ${a(one.commits)} commits, ${a(one.wal_bytes === null ? null : one.wal_bytes / 1024)} KB of log,`,
    ` ${a(one.database_cpu_ms)} + ${a(one.own_cpu_ms)} ms of processor`,
  ].join('');
}

function describe(cluster: Cluster, measurements: Measurement[]): Results {
  return {
    date: new Date().toISOString().slice(0, 10),
    quick: options.quick,
    machine: {
      cores: availableParallelism(),
      memory_gb: Math.round(totalmem() / 2 ** 30),
      processor: cpus()[0]?.model ?? 'unknown',
      system: `${process.platform} ${process.arch}`,
    },
    versions: { PostgreSQL: cluster.version, 'Node.js': process.versions.node, ...redisVersion() },
    contestants: ENTRIES.map((entry) => {
      const { name, title, shapes, settings, durability } = entry;
      return {
        name,
        title,
        version: versionOf(entry),
        shapes,
        settings,
        durability,
        missing: entry.missing(),
      };
    }),
    measurements,
  };
}

function redisVersion(): Record<string, string> {
  const version = /v=(\S+)/.exec(
    spawnSync('redis-server', ['--version'], { encoding: 'utf8' }).stdout ?? '',
  )?.[1];
  return version === undefined ? {} : { Redis: version };
}

async function publish(results: Results, folder: string): Promise<void> {
  // By a computed name: the types of the plotting packages are there only once they are installed.
  const { plot } = (await import(join(HERE, 'report/plot.ts'))) as {
    plot(results: Results): Promise<string>;
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'peers.md'), page(results));
  writeFileSync(join(folder, 'peers.svg'), await plot(results));
  say(`Wrote peers.md and peers.svg to ${folder === DOCS ? 'docs/performance' : 'bench/results'}/`);
}

async function main(): Promise<void> {
  install();
  if (options.report !== undefined) {
    await publish(JSON.parse(readFileSync(options.report, 'utf8')) as Results, DOCS);
    return;
  }
  const shapes = chosen(options.shapes, SHAPES);
  const names = chosen(
    options.only,
    ENTRIES.map(({ name }) => name),
  );
  const asked = ENTRIES.filter(({ name }) => names.includes(name));
  for (const entry of asked) {
    const missing = entry.missing();
    if (missing !== null) say(`${entry.title} is left out: ${missing}.`);
  }
  const entries = asked.filter((entry) => entry.missing() === null);
  const rounds = options.quick ? 1 : Number(options.rounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds ${options.rounds} is no number of rounds`);
  const results = await runAll(entries, shapes, rounds);
  mkdirSync(RESULTS, { recursive: true });
  const file = join(RESULTS, `peers-${new Date().toISOString().replaceAll(/[:.]/g, '-')}.json`);
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`);
  const whole = !options.quick && asked.length === ENTRIES.length && shapes.length === SHAPES.length;
  await publish(results, whole ? DOCS : RESULTS);
}

await main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
