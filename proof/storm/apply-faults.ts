import type { Fault } from './faults.ts';
import type { Ledger } from './ledger.ts';
import type { StormPostgres } from './postgres.ts';
import type { StormServer } from './servers.ts';
import type { StormWorker } from './workers.ts';

/** What faults are done to. */
export interface Targets {
  servers: readonly StormServer[];
  workers: readonly StormWorker[];
  postgres: StormPostgres;
}

type Victim = StormServer | StormWorker;

const nap = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/**
 * Does each fault at its time, several at once if need be; one server or worker suffers one at a time. `tell` hears of
 * each. Resolves when all is over and everything is up again; when that was is the last fault's end.
 */
export async function applyFaults(
  faults: readonly Fault[],
  targets: Targets,
  options: { ledger: Ledger; signal: AbortSignal; tell(line: string): void },
): Promise<void> {
  const { ledger, signal, tell } = options;
  const started = performance.now();
  const busy = new Set<Victim>();
  const going: Promise<void>[] = [];
  const failures: unknown[] = [];
  let isDiskBusy = false;

  /** The one that was drawn, or the next one that nothing is done to. */
  function free<One extends Victim>(list: readonly One[], index: number): One | undefined {
    const turned = list.map((_, i) => list[(index + i) % list.length] as One);
    return turned.find((one) => !busy.has(one));
  }

  async function suffer(fault: Fault, list: readonly Victim[]): Promise<void> {
    const victim = free(list, fault.index);
    if (victim === undefined) return;
    busy.add(victim);
    note(fault, victim.name);
    if (fault.what.endsWith('held still')) {
      victim.signal('SIGSTOP');
      await nap(fault.ms);
      victim.signal('SIGCONT');
    } else {
      await (fault.what.endsWith('killed') ? victim.kill() : victim.stop());
      await nap(fault.ms);
      await victim.start();
    }
    busy.delete(victim);
  }

  function note({ what, ms }: Fault, to: string): void {
    ledger.write({ kind: 'done', at: Date.now(), what, to });
    tell(`${to}: ${what}${ms === 0 ? '' : `, for ${(ms / 1000).toFixed(1)} s`}`);
  }

  async function apply(fault: Fault): Promise<void> {
    const { what, index, ms } = fault;
    const { servers, workers, postgres } = targets;
    if (what.startsWith('server')) return suffer(fault, servers);
    if (what.startsWith('worker')) return suffer(fault, workers);
    if (what === 'disk full') {
      if (!postgres.hasOwnDisk || isDiskBusy) return;
      isDiskBusy = true;
      note(fault, 'Postgres');
      await postgres.fillDisk(ms);
      isDiskBusy = false;
      return;
    }
    note(fault, 'Postgres');
    if (what === 'Postgres restarted at once') postgres.restart();
    else if (what === 'postmaster killed') postgres.killPostmaster();
    else if (what === 'backend killed') await postgres.killBackend(index);
    else await postgres.terminateAll();
  }

  for (const fault of faults) {
    while (performance.now() - started < fault.atMs && !signal.aborted) await nap(20);
    if (signal.aborted) break;
    going.push(apply(fault).catch((error: unknown) => void failures.push(error)));
  }
  await Promise.all(going);
  if (failures.length > 0) throw failures[0];
}
