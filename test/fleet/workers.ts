import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type ActionContext, type Claim, type ClaimList, Worker } from '../../client/src/index.ts';
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

/**
 * Takes one step at a time for a second, and settles it after three seconds, whatever became of its claim meanwhile: what
 * the workers above never do. Ends by the signal.
 */
export async function runLatecomer(
  options: { servers: readonly string[]; folder: string },
  signal: AbortSignal,
): Promise<void> {
  const ledger = openLedger(options.folder, 'latecomer');
  let asked = 0;
  const post = async <Body>(path: string, body: object): Promise<{ status: number; json: Body }> => {
    const response = await fetch(`${options.servers[asked++ % options.servers.length]}/v1${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal,
    });
    return { status: response.status, json: (await response.json()) as Body };
  };
  const nap = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  let workerId = '';
  const oneStep = async () => {
    if (workerId === '')
      workerId =
        (await post<{ id: string }>('/workers', { name: 'latecomer', uses: ['echo'] })).json.id ?? '';
    const { json } = await post<ClaimList>('/claims', { worker_id: workerId, ttl: '1s', wait: '1s' });
    const [claim] = json.data ?? [];
    if (claim !== undefined) await settleLate(claim);
  };
  const settleLate = async (claim: Claim) => {
    ledger.begun(claim);
    await nap(3_000);
    const output = { claim: claim.id, attempt: claim.attempt, above: [] };
    const { status, json } = await post<{ outcome?: string; code?: string }>(`/claims/${claim.id}/complete`, {
      output,
    });
    ledger.answered({ claim: claim.id, sent: 'succeeded', status, outcome: json.outcome, code: json.code });
  };
  // A server that is away is no reason to end: the next one is asked.
  while (!signal.aborted) await oneStep().catch(() => nap(100));
}
