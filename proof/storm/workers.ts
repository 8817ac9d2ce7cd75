import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { until } from '../../test/support/embedded.ts';
import { answerPrinted, exampleWorker } from './example-workers.ts';
import { type Ledger, openLedger } from './ledger.ts';

/** What one life of a worker is started with. */
export interface WorkerStart {
  name: string;
  /** Which life of this worker it is, from 1. */
  life: number;
  /** The servers that it may ask, in this order. */
  servers: readonly string[];
  /** Where it keeps its account. */
  folder: string;
  ttlMs: number;
  seed: number;
}

/** A worker that can be killed, held still and started again. */
export interface StormWorker {
  name: string;
  kill(): Promise<void>;
  /** SIGSTOP or SIGCONT. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  start(): Promise<void>;
  /** Asks it to leave. */
  stop(): Promise<void>;
  /** How often it ended without being told to. */
  endedByItself: number;
}

export interface WorkerPlan {
  name: string;
  language: 'typescript' | 'bash' | 'python';
  servers: readonly string[];
  ttlMs: number;
  skewMs: number;
}

/** The servers may be away at that moment. */
const REGISTERED_MS = 120_000;
const SCRIPT = fileURLToPath(new URL('worker-process.ts', import.meta.url));
const CLOCK = new URL('clock.ts', import.meta.url).href;
const children = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** Prepares a worker; `folder` is for its accounts. */
export function createWorker(plan: WorkerPlan, folder: string, seed: number): StormWorker {
  const { name } = plan;
  const answers = plan.language === 'bash' ? openLedger(folder, `${name}-answers`) : null;
  let life = 0;
  let child: ChildProcess | undefined;
  let isExpected = true;
  const worker: StormWorker = {
    ...{ name, endedByItself: 0 },
    async kill() {
      await end('SIGKILL');
    },
    signal: (signal) => child?.kill(signal),
    async start() {
      life += 1;
      const { servers, ttlMs } = plan;
      isExpected = false;
      const own = launch(plan, { name, life, servers, folder, ttlMs, seed: seed + life });
      child = own;
      if (answers !== null) enterPrinted(own, name, answers);
      children.add(own);
      own.once('exit', () => {
        children.delete(own);
        if (!isExpected) worker.endedByItself += 1;
      });
      let isRegistered = false;
      const said = (text: Buffer) => {
        isRegistered ||= text.includes('registered');
      };
      own.stdout?.on('data', said);
      own.stderr?.resume();
      await until(() => isRegistered || hasEnded(own), REGISTERED_MS);
    },
    stop: () => end('SIGTERM'),
  };

  async function end(signal: NodeJS.Signals): Promise<void> {
    isExpected = true;
    const own = child;
    if (own === undefined || hasEnded(own)) return;
    const gone = once(own, 'exit');
    own.kill(signal);
    await gone;
  }
  return worker;
}

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;

function launch(plan: WorkerPlan, start: WorkerStart): ChildProcess {
  const { language, skewMs } = plan;
  const { name, folder, servers, ttlMs, life } = start;
  const ledger = join(folder, `${name}-${life}.jsonl`);
  const env = { ...process.env, LEDGER: ledger, CLOCK_SKEW_MS: String(skewMs), TTL: `${ttlMs}ms` };
  const stdio = ['pipe', 'pipe', 'pipe'] as ('pipe' | 'inherit')[];
  if (language === 'typescript')
    return spawn(process.execPath, ['--import', CLOCK, SCRIPT, JSON.stringify(start)], { env, stdio });
  const { program, file } = exampleWorker(language, join(folder, '..', 'programs', name));
  return spawn(program, [file, servers[0] as string, name], { env, stdio });
}

function enterPrinted(child: ChildProcess, worker: string, ledger: Ledger): void {
  for (const output of [child.stdout, child.stderr]) {
    if (output === null) continue;
    createInterface({ input: output }).on('line', (line) => {
      const answer = answerPrinted(line);
      if (answer !== null)
        ledger.write({ kind: 'answered', at: Date.now(), worker, sent: 'succeeded', ...answer });
    });
  }
}
