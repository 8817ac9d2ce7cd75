import { type Curve, type Figure, VoidTry, type Wanted } from '../measure/figures.ts';
import { type BenchServer, startBenchServer } from '../server.ts';
import { fan } from '../shapes.ts';
import { runJobs, submitSingly } from './run-jobs.ts';
import type { Sizes } from './sizes.ts';

/** What a section measures with. */
export interface Bench {
  sizes: Sizes;
  /** The server of this group of sections, as it started. */
  server(): Promise<BenchServer>;
  /** The same once its code is compiled by use, with empty tables. */
  warm(): Promise<BenchServer>;
  /** One more server with a database of its own; it ends with the group. */
  startAnother(): Promise<BenchServer>;
  /**
   * Measures some figures together, `tries` times (as often as the sizes say when absent, and once when that takes long), and keeps them. `once`
   * gives a value for each. What it throws as `VoidTry` voids them.
   */
  measure(wanted: readonly Wanted[], once: () => Promise<number[]>, tries?: number): Promise<void>;
  /** Keeps a line to be plotted. */
  keepCurve(curve: Curve): void;
  say(line: string): void;
}

/** Holds what the sections of all groups measured, and the servers of the group under way. */
export function createBench(options: {
  sizes: Sizes;
  say: (line: string) => void;
  onFigure: (figure: Figure) => void;
}): Bench & { figures: Figure[]; curves: Curve[]; enter(section: string): void; endGroup(): Promise<void> } {
  const { sizes, say, onFigure } = options;
  const figures: Figure[] = [];
  const curves: Curve[] = [];
  let started: Promise<BenchServer>[] = [];
  let shared: Promise<BenchServer> | undefined;
  let warmed: Promise<BenchServer> | undefined;
  let section = '';

  const start = () => {
    const server = startBenchServer();
    started.push(server);
    return server;
  };
  const keep = (figure: Figure) => {
    figures.push(figure);
    onFigure(figure);
  };
  const server = () => {
    shared ??= start();
    return shared;
  };
  return {
    sizes,
    say,
    figures,
    curves,
    enter(name) {
      section = name;
    },
    server,
    warm() {
      warmed ??= server().then((one) => warmUp(one, sizes.warmUp));
      return warmed;
    },
    startAnother: async () => await warmUp(await start(), sizes.warmUp),
    async measure(wanted, once, tries = sizes.tries) {
      const all: number[][] = [];
      let reason: string | undefined;
      const from = performance.now();
      const isShort = (done: number) => (performance.now() - from) / done < LONG_TRY_MS;
      for (let n = 0; n < tries && reason === undefined && (n === 0 || isShort(n)); n += 1) {
        try {
          all.push(await once());
        } catch (error) {
          if (!(error instanceof VoidTry)) throw error;
          reason = error.message;
        }
      }
      for (const [index, one] of wanted.entries()) {
        const values = all.map((values) => values[index] ?? Number.NaN);
        if (!values.every(Number.isFinite)) reason ??= 'it gave no number';
        keep({ section, ...one, values, ...(reason === undefined ? {} : { void: reason }) });
      }
    },
    keepCurve: (curve) => curves.push(curve),
    async endGroup() {
      const ending = started;
      [started, shared, warmed] = [[], undefined, undefined];
      for (const one of ending) await (await one.catch(() => undefined))?.stop();
    },
  };
}

/** What takes so long is done once: its length evens out what differs between tries. */
const LONG_TRY_MS = 10_000;
const DEADLOCK = '40P01';
const WARM_UP = { name: 'warm up', steps: fan(8) };

/** The first jobs of a process are slow, because its code is not compiled yet. */
async function warmUp(server: BenchServer, jobs: number): Promise<BenchServer> {
  await runJobs(server, WARM_UP, jobs);
  await runJobs(server, WARM_UP, jobs, (own) => submitSingly(server, own, jobs));
  await clear(server);
  return server;
}

/** Empties the tables of jobs, so that no try pays for the one before it. */
export async function clear(server: BenchServer): Promise<void> {
  for (;;) {
    try {
      await server.database.query('truncate job, step, attempt, step_log');
      return;
    } catch (error) {
      // The server's own looks at these tables take them in another order.
      if ((error as { code?: string }).code !== DEADLOCK) throw error;
    }
  }
}
