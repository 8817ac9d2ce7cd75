import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Cluster } from './cluster.ts';
import { needsOf, type Phase, type Report, type Shape, type Task, type Verdict } from './contestant.ts';
import { processorTime } from './processor-time.ts';
import { spread } from './spread.ts';

/** What one measurement gave; the fields of figures are null where there is nothing to say. */
export interface Measurement {
  contestant: string;
  shape: Shape;
  /** From 1. */
  round: number;
  jobs: number;
  steps: number;
  /** To store all jobs before the first begins. */
  submit_ms: number | null;
  /** From the first look for work to the last stored outcome. */
  drain_ms: number | null;
  /** Submit and drain together; of the contestant's database. */
  commits: number | null;
  /** Submit and drain together. */
  wal_bytes: number | null;
  /** Of the drain: PostgreSQL's processes, or those of the contestant's own database. */
  database_cpu_ms: number | null;
  /** Of the drain: the contestant's processes. */
  own_cpu_ms: number | null;
  /** The median of several jobs, one at a time, each from its submit to the run of its last step. */
  alone_ms: number | null;
  /** Why this measurement does not count. */
  void: string | null;
}

/** How to start the process of a contestant. */
export interface Start {
  contestant: string;
  /** A file that exports `open`. */
  module: string;
  variant: string | null;
  shape: Shape;
  jobs: number;
  round: number;
  /** How long one phase may take, in milliseconds, before the contestant is ended. */
  limitMs: number;
}

const CHILD = join(import.meta.dirname, 'child.ts');

/** Takes one measurement. Never rejects because of a contestant: what went wrong is in `void`. */
export async function measure(cluster: Cluster, start: Start, signal: AbortSignal): Promise<Measurement> {
  const { contestant, module, variant, shape, jobs, round, limitMs } = start;
  const database = `bench_${contestant.replaceAll('-', '_')}`;
  const url = await cluster.freshDatabase(database);
  const task: Task = { shape, jobs, url, folder: cluster.freshFolder(database), variant };
  const child = startChild(module, task, limitMs);
  const kill = () => child.kill();
  signal.addEventListener('abort', kill);
  const empty = { submit_ms: null, drain_ms: null, commits: null, wal_bytes: null };
  const measurement: Measurement = {
    ...{ contestant, shape, round, jobs, steps: jobs * needsOf(shape).length },
    ...{ ...empty, database_cpu_ms: null, own_cpu_ms: null, alone_ms: null, void: null },
  };
  try {
    const found =
      shape === 'alone' ? await runAlone(cluster, child) : await runPhases(cluster, database, child);
    Object.assign(measurement, found);
  } catch (error) {
    measurement.void = (error as Error).message;
  } finally {
    signal.removeEventListener('abort', kill);
    child.kill();
    await child.gone;
    await cluster.dropDatabase(database);
  }
  return measurement;
}

async function runAlone(cluster: Cluster, child: Child): Promise<Partial<Measurement>> {
  await child.run('prepare');
  await cluster.settle();
  // Some jobs before, so that whatever is compiled or connected at first use has been.
  await child.run('submit');
  await child.run('drain');
  const { verdict } = await child.run('verify');
  const { times } = await child.run('alone');
  await child.run('close');
  return { alone_ms: spread(times ?? [])?.median ?? null, void: verdict?.wrong.join(', ') || null };
}

async function runPhases(cluster: Cluster, database: string, child: Child): Promise<Partial<Measurement>> {
  const { databasePid } = await child.run('prepare');
  const from = await cluster.settle();
  const commitsFrom = await cluster.commits(database);
  const submit = await child.run('submit');
  const cpu = () => ({
    database: processorTime(databasePid ?? cluster.postmaster),
    own: processorTime(child.pid, databasePid),
  });
  let before = cpu();
  let startedAt = 0;
  const drain = await child.run('drain', (at) => {
    startedAt = at;
    before = cpu();
  });
  const after = cpu();
  const to = await cluster.logPosition();
  const { verdict } = await child.run('verify');
  if (verdict === undefined) throw new Error('it gave no verdict');
  await child.run('close');
  child.kill();
  await cluster.deserted(database);
  const commits = (await cluster.commits(database)) - commitsFrom - verdict.watched;
  const usesPostgres = databasePid === undefined;
  return {
    submit_ms: submit.to - submit.from,
    drain_ms: drain.to - Math.min(startedAt, drain.first ?? startedAt),
    commits: usesPostgres ? commits : null,
    wal_bytes: usesPostgres ? to - from : verdict.logged,
    database_cpu_ms: difference(after.database, before.database),
    own_cpu_ms: difference(after.own, before.own),
    void: judge(verdict, startedAt),
  };
}

function judge(verdict: Verdict, startedAt: number): string | null {
  if (verdict.wrong.length > 0) return verdict.wrong.join(', ');
  return startedAt === 0 ? 'it did not say when it started' : null;
}

function difference(after: number | null, before: number | null): number | null {
  return after === null || before === null ? null : after - before;
}

interface Child {
  pid: number;
  gone: Promise<unknown>;
  run(phase: Phase, started?: (at: number) => void): Promise<Extract<Report, { say: 'done' }>>;
  kill(): void;
}

function startChild(module: string, task: Task, limitMs: number): Child {
  // A process group of its own, so that all of it can be ended at once, and Ctrl-C reaches it through us alone.
  const child = spawn(process.execPath, [CHILD, module, JSON.stringify(task)], {
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  let complaints = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    complaints = (complaints + chunk.toString()).slice(-2_000);
  });
  const gone = once(child, 'exit');
  const pid = child.pid as number;
  return {
    pid,
    gone,
    run: (phase, started) => runPhase(child, phase, { started, complaints: () => complaints, limitMs }),
    kill: () => {
      try {
        process.kill(-pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    },
  };
}

function runPhase(
  child: ChildProcess,
  phase: Phase,
  options: { started: ((at: number) => void) | undefined; complaints: () => string; limitMs: number },
): Promise<Extract<Report, { say: 'done' }>> {
  const { started, complaints, limitMs } = options;
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      clearTimeout(timer);
      child.off('message', hear);
      child.off('exit', ended);
      settle();
    };
    const hear = (report: Report) => {
      if (report.say === 'started') started?.(report.at);
      else if (report.say === 'failed') end(() => reject(new Error(`${phase} failed: ${report.error}`)));
      else end(() => resolve(report));
    };
    const ended = () => end(() => reject(new Error(`it ended in ${phase}: ${complaints()}`)));
    const timer = setTimeout(
      () => end(() => reject(new Error(`it hung in ${phase}, and was ended after ${limitMs / 1000} s`))),
      limitMs,
    );
    child.on('message', hear);
    child.on('exit', ended);
    if (child.connected) child.send(phase, (error) => error && ended());
    else ended();
  });
}
