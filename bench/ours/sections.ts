import { measureAccepted } from './accepted.ts';
import { measureBothAtOnce, measureTogether } from './at-once.ts';
import type { Bench } from './bench.ts';
import { measureCost } from './cost.ts';
import { measureDrain } from './drain.ts';
import { measureFullTables } from './full-tables.ts';
import { measureGrowth } from './growth.ts';
import { measureIdleLatency } from './idle-latency.ts';
import { measureIdleServer } from './idle-server.ts';
import { measureReads } from './reads.ts';
import { measureRemote } from './remote.ts';
import { measureRestart } from './restart.ts';
import { measureSteady } from './steady.ts';
import { measureSubmit } from './submit.ts';

export interface Section {
  name: string;
  /** In the table of results. */
  about: string;
  run(bench: Bench): Promise<void>;
}

/** All sections, in groups: those of one group share a server, one after the other. */
export const GROUPS: readonly (readonly Section[])[] = [
  [
    { name: 'idle-server', about: 'a server that has nothing to do', run: measureIdleServer },
    { name: 'idle', about: 'one job at a time, nothing else', run: measureIdleLatency },
  ],
  [{ name: 'cost', about: 'what a step costs under load', run: measureCost }],
  [
    { name: 'submit', about: 'jobs stored, nothing runs', run: measureSubmit },
    { name: 'drain', about: 'steps run that wait already', run: measureDrain },
    { name: 'both', about: 'submit and run at once', run: measureBothAtOnce },
    { name: 'together', about: 'jobs that come at the same moment', run: measureTogether },
    { name: 'accepted', about: 'a large job, POST to 202', run: measureAccepted },
  ],
  [{ name: 'steady', about: 'steady load at half of capacity', run: measureSteady }],
  [{ name: 'remote', about: 'remote workers', run: measureRemote }],
  [{ name: 'full', about: 'full tables', run: measureFullTables }],
  [
    { name: 'growth', about: 'cost of a step as things grow', run: measureGrowth },
    { name: 'reads', about: 'calls that read', run: measureReads },
  ],
  [{ name: 'restart', about: 'a server that is killed', run: measureRestart }],
];
