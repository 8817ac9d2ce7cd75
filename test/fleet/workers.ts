import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type ActionContext, type Claim, type ClaimList, type Step, Worker } from '../../client/src/index.ts';
import { openLedger } from './ledger.ts';

export interface FleetWorkerOptions {
  name: string;
  /** The servers that it may ask, in this order. */
  servers: readonly string[];
  /** Where it keeps its account. */
  folder: string;
  concurrency: number;
  ttlMs: number;
}

/** A worker of the fleet, which can be told to leave; gives its exit code. */
export interface FleetWorker {
  name: string;
  /** Undefined for one in this process. */
  pid: number | undefined;
  stop(): Promise<number | null>;
}

/** The actions that the jobs of the fleet use; each enters that it began, and gives the claim that it ran under. */
export function fleetWorker({ name, servers, folder, concurrency, ttlMs }: FleetWorkerOptions): Worker {
  const ledger = openLedger(folder, name);
  const begin = ({ claim, input }: ActionContext<{ above?: string[] } | null>) => {
    ledger.begun(claim);
    return { claim: claim.id, attempt: claim.attempt, above: input?.above ?? [] };
  };
  return new Worker({
    name,
    server: servers,
    fetch: ledger.fetch,
    concurrency,
    prefetch: concurrency,
    ttlMs,
    onEvent: () => {},
    actions: {
      echo: begin,
      nap: async (context) => {
        const output = begin(context);
        await new Promise((resolve) => setTimeout(resolve, context.input.ms));
        return output;
      },
      unlucky: (context) => {
        const output = begin(context);
        if (context.claim.attempt === 1) throw new Error('the first attempt fails');
        return output;
      },
    },
  });
}

/** The same in this process. */
export async function startWorkerHere(options: FleetWorkerOptions): Promise<FleetWorker> {
  const worker = fleetWorker(options);
  await worker.start();
  return { name: options.name, pid: undefined, stop: () => worker.stop({ graceMs: 2_000 }).then(() => 0) };
}

const SCRIPT = fileURLToPath(new URL('worker-process.ts', import.meta.url));
const children = new Set<ChildProcess>();

/** The same in a process of its own, which ends by itself when this one does. */
export async function startWorkerProcess(options: FleetWorkerOptions): Promise<FleetWorker> {
  const child = spawn(process.execPath, [SCRIPT, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.add(child);
  const gone = once(child, 'exit').then(([code]) => {
    children.delete(child);
    return code as number | null;
  });
  // It says so once it is registered.
  const registered = await Promise.race([
    once(child.stdout, 'data').then(() => true),
    gone.then(() => false),
  ]);
  if (!registered) throw new Error(`the worker ${options.name} ended before it was registered`);
  return {
    name: options.name,
    pid: child.pid,
    stop: () => {
      child.kill('SIGTERM');
      return gone;
    },
  };
}

/** Ends the worker processes that still live, in whatever state they are. */
export async function killWorkers(): Promise<void> {
  const left = [...children];
  for (const child of left) child.kill('SIGKILL');
  await Promise.all(left.map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit')));
}

/** How long the latecomer waits for others to run its step again. */
const AGAIN_MS = 5_000;
/** Three times as long as its claims last. */
const SILENT_MS = 3_000;

/**
 * Takes one step at a time and settles it when its claim is lost, which the workers above never do: in turn after it had
 * itself removed, so that others run the step at that moment, and after it was silent. Whenever it has a claim it waits for
 * what `onClaim` gives. Ends by the signal.
 */
export async function runLatecomer(
  options: { servers: readonly string[]; folder: string; onClaim(): Promise<void> },
  signal: AbortSignal,
): Promise<void> {
  const ledger = openLedger(options.folder, 'latecomer');
  let asked = 0;
  const send = async <Body>(method: string, path: string, body?: object) => {
    const server = options.servers[asked++ % options.servers.length];
    const headers = { 'content-type': 'application/json' };
    const content = body === undefined ? {} : { headers, body: JSON.stringify(body) };
    const response = await fetch(`${server}/v1${path}`, { method, signal, ...content });
    return { status: response.status, json: (await response.json()) as Body };
  };
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

  async function runsAgain({ job_id, step, attempt }: Claim): Promise<void> {
    const deadline = performance.now() + AGAIN_MS;
    while (performance.now() < deadline) {
      const { json } = await send<Step>('GET', `/jobs/${job_id}/steps/${step}`);
      if (json.attempt > attempt) return;
      await pause(5);
    }
  }

  async function oneStep(isRemoved: boolean): Promise<boolean> {
    const worker = { name: 'latecomer', uses: ['nap'] };
    const { id: worker_id } = (await send<{ id: string }>('POST', '/workers', worker)).json;
    const ask = { worker_id, ttl: '1s', wait: '2s' };
    const [claim] = (await send<ClaimList>('POST', '/claims', ask)).json.data ?? [];
    if (claim === undefined) return false;
    ledger.begun(claim);
    await options.onClaim();
    if (isRemoved) {
      await send('DELETE', `/workers/${worker_id}`);
      await runsAgain(claim);
    } else await pause(SILENT_MS);
    const output = { claim: claim.id, attempt: claim.attempt, above: [] };
    const answer = await send<Told>('POST', `/claims/${claim.id}/complete`, { output });
    const { outcome, code } = answer.json;
    ledger.answered({ claim: claim.id, sent: 'succeeded', status: answer.status, outcome, code });
    return true;
  }

  for (let turn = 0; !signal.aborted; ) {
    // A server that is away is no reason to end: the next one is asked.
    const done = await oneStep(turn % 2 === 0).catch(() => pause(100).then(() => false));
    if (done) turn += 1;
  }
}

/** What is answered to an outcome, or to one that is refused. */
interface Told {
  outcome?: string;
  code?: string;
}
