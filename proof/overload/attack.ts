import { setTimeout } from 'node:timers/promises';
import { flood, type Tally } from './flood.ts';
import type { Kind } from './kinds.ts';
import { type Scene, tryWork } from './scene.ts';
import type { Seen, Watch } from './watch.ts';

/** What one flood did to the server. */
export interface Outcome {
  kind: string;
  tally: Tally;
  seen: Seen;
  /** Highest resident memory meanwhile, in MiB. */
  peakMib: number;
  /** From the end of the flood, or of what was done to the database, until work is taken and done again as usual. */
  recoveryMs: number;
}

const SLOW_MS = 500;
const RECOVERY_MS = 90_000;
/** So often in a row a job has to be done in good time. */
const IN_A_ROW = 5;
// Also the slowest machine does one job in this time when it has nothing else to do.
const USUAL_MS = 1_000;

/** Floods the server, does to its database what the kind wants, and waits until the server is as before. */
export async function attack(
  kind: Kind,
  { server, proxy, holdRow }: Scene,
  watch: Watch,
  memory: { peak(): number },
  signal: AbortSignal,
): Promise<Outcome> {
  const over = Promise.withResolvers<void>();
  const held = kind.database === 'locked' ? holdRow(over.promise) : Promise.resolve();
  if (kind.database === 'slow') proxy.delay(SLOW_MS);
  if (kind.database === 'silent') proxy.hush();
  const restore = () => {
    over.resolve();
    proxy.delay(0);
    proxy.speak();
  };
  const tally = await flood(kind.next, { ...kind, port: server.port, signal }).finally(restore);
  await held;
  const recoveryMs = await recover(server.url, signal);
  return { kind: kind.name, tally, seen: await watch.seen(), peakMib: memory.peak(), recoveryMs };
}

async function recover(url: string, signal: AbortSignal): Promise<number> {
  const since = performance.now();
  let good = 0;
  let firstGood = since;
  while (good < IN_A_ROW) {
    if (performance.now() - since > RECOVERY_MS || signal.aborted) return Number.POSITIVE_INFINITY;
    const at = performance.now();
    if ((await tryWork(url)) > USUAL_MS) good = 0;
    else {
      if (good === 0) firstGood = at;
      good += 1;
    }
    await setTimeout(50);
  }
  return firstGood - since;
}
