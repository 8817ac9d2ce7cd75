import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Graph } from './contestant.ts';

/** Who is compared, and all that a reader of the figures must know of it. */
export interface Entry {
  name: string;
  title: string;
  /** A file that exports `open`, from this folder. */
  module: string;
  variant: string | null;
  /** The npm package whose version is told; null for what is ours. */
  pkg: string | null;
  /** Jobs in one measurement: so many that the drain takes some seconds. */
  jobs: Record<Graph, number>;
  /** Whether one job alone can be timed. */
  alone: boolean;
  /** How a graph is made by hand where the contestant has no words for it. */
  shapes: Partial<Record<Graph, string>>;
  settings: string;
  durability: string;
  /** Why it cannot be measured here; null when it can. */
  missing(): string | null;
}

const here = () => null;

export const ENTRIES: readonly Entry[] = [
  {
    name: 'floor',
    title: 'floor: bare SQL',
    module: '../floor/floor.ts',
    variant: null,
    pkg: null,
    jobs: { independent: 30_000, chain: 3_000, fan: 7_000 },
    alone: false,
    shapes: {},
    settings:
      "No engine: the rows that Holdfast writes, in Holdfast's own tables, moved by batched SQL, 100 jobs a statement, four connections. Not a system that anybody could use.",
    durability: 'each statement is committed with fsync',
    missing: here,
  },
  {
    name: 'holdfast',
    title: 'Holdfast, in the server',
    module: './holdfast.ts',
    variant: null,
    pkg: null,
    jobs: { independent: 15_000, chain: 2_000, fan: 2_500 },
    alone: true,
    shapes: {},
    settings:
      'One server as `npm start` runs it, with `DATABASE_URL`; steps that use `value`. Submitted over HTTP by `POST /v1/jobs/batch`, 100 jobs a request, four at once.',
    durability:
      'outcomes are committed with fsync before anything follows from them; a crash loses nothing, steps that were running run again within about 3 s',
    missing: here,
  },
  {
    name: 'holdfast-remote',
    title: 'Holdfast, HTTP workers',
    module: './holdfast.ts',
    variant: 'remote',
    pkg: null,
    jobs: { independent: 12_000, chain: 1_200, fan: 1_500 },
    alone: true,
    shapes: {},
    settings:
      'The same server; four workers of `holdfast-client` in one process, each with up to 100 steps at a time, over HTTP on loopback.',
    durability: 'the same; steps of a lost worker run again when their claims end (30 s by default)',
    missing: here,
  },
  {
    name: 'graphile-worker',
    title: 'graphile-worker',
    module: './contestants/graphile-worker.ts',
    variant: null,
    pkg: 'graphile-worker',
    jobs: { independent: 50_000, chain: 250, fan: 400 },
    alone: true,
    shapes: {
      chain: 'no dependencies: a table of steps by hand, whose task adds the next step in SQL',
      fan: 'no dependencies: a table of steps by hand, with a counter of unmet needs',
    },
    settings:
      'As its page on performance says: `concurrentJobs` 24, `maxPoolSize` 25, `localQueue.size` 500, `completeJobBatchDelay` and `failJobBatchDelay` 0; added by `addJobs`, 1,000 a call. One process.',
    durability:
      'committed with fsync; jobs are deleted when they end; what a dead worker held stays locked for 4 h by default, then runs again',
    missing: here,
  },
  {
    name: 'pg-boss',
    title: 'pg-boss flow',
    module: './contestants/pg-boss.ts',
    variant: 'worker',
    pkg: 'pg-boss',
    jobs: { independent: 30_000, chain: 500, fan: 1_500 },
    alone: true,
    shapes: {},
    settings:
      'Its own worker and resolver as fast as they may be set: `pollingIntervalSeconds` 0.5, `batchSize` 500, `burstWhenBatchFull`, `localConcurrency` 4, `flowIntervalSeconds` 1. A layer of a graph waits for both, so its rate grows with the number of graphs at once. Independent jobs are added by `insert`, 1,000 a call, graphs by `flow`, 100 a call. One process.',
    durability:
      'committed with fsync; what a dead worker held is tried again after its expiry (15 min by default)',
    missing: here,
  },
  {
    name: 'pg-boss-hand',
    title: 'pg-boss flow, by hand',
    module: './contestants/pg-boss.ts',
    variant: 'hand',
    pkg: 'pg-boss',
    jobs: { independent: 40_000, chain: 1_000, fan: 2_500 },
    alone: true,
    shapes: {},
    settings:
      'Not its worker: `fetch` and `complete` of 500 in four loops, `resolveFlow` in another, without a pause; faster than its own intervals may be set, at the price of looking all the time.',
    durability: 'the same',
    missing: here,
  },
  ...(['everysec', 'always'] as const).map(
    (fsync): Entry => ({
      name: `bullmq-${fsync}`,
      title: `BullMQ flow, ${fsync}`,
      module: './contestants/bullmq.ts',
      variant: fsync,
      pkg: 'bullmq',
      jobs: { independent: 15_000, chain: 1_200, fan: 1_000 },
      alone: true,
      shapes: {
        fan: 'flows are trees, so eight steps cannot share a first one: that one is submitted alone, and adds the tree of eight and one when it runs',
      },
      settings: `Redis with \`appendonly yes\`, \`appendfsync ${fsync}\`, \`noeviction\`; one worker with a concurrency of 200; finished jobs are removed. Added by \`addBulk\`, 100 a call: plain jobs, and a chain as a tree of one branch.`,
      durability:
        fsync === 'always'
          ? 'every write is synced to the log file of Redis before it is answered; the jobs of a dead worker run again after about 30 s'
          : 'synced once a second: a crash of the machine loses the last second or two of what was acknowledged; the jobs of a dead worker run again after about 30 s',
      missing: () =>
        spawnSync('redis-server', ['--version']).status === 0
          ? null
          : 'there is no `redis-server` on this machine',
    }),
  ),
  {
    name: 'dbos',
    title: 'DBOS',
    module: './contestants/dbos.ts',
    variant: null,
    pkg: '@dbos-inc/dbos-sdk',
    jobs: { independent: 1_500, chain: 200, fan: 200 },
    alone: true,
    shapes: {},
    settings:
      'A queue asked every 10 ms, 100 workflows at once, a pool of 20 connections, no tracing. The graph is a function: steps one after the other, or under `Promise.all`. Enqueued one by one (there is no bulk form), 20 at once. One process; the steps of a workflow share it.',
    durability:
      'each step is committed with fsync before the next begins; the workflows of a dead process go on when it is started again',
    missing: here,
  },
  {
    name: 'openworkflow',
    title: 'OpenWorkflow',
    module: './contestants/openworkflow.ts',
    variant: null,
    pkg: 'openworkflow',
    jobs: { independent: 2_000, chain: 300, fan: 300 },
    alone: true,
    shapes: {},
    settings:
      'A worker with a concurrency of 100 on ten connections, its default; its polling cannot be set. The graph is a function: steps one after the other, or under `Promise.all`. Started one by one (there is no bulk form), 20 at once. One process; the steps of a workflow share it.',
    durability:
      'each step is committed with fsync when it begins and when it ends; the workflows of a dead worker go on after 30 s',
    missing: here,
  },
  {
    name: 'absurd',
    title: 'Absurd',
    module: './contestants/absurd.ts',
    variant: null,
    pkg: 'absurd-sdk',
    jobs: { independent: 2_000, chain: 400, fan: 400 },
    alone: true,
    shapes: {},
    settings:
      'A worker with a concurrency of 100, a pool of 20 connections, looks every 10 ms when idle. The graph is a function: steps one after the other, or under `Promise.all`. Spawned one by one (there is no bulk form), 20 at once. One process; the steps of a task share it.',
    durability:
      'each step is committed with fsync before the next begins; the tasks of a dead worker go on after 2 min by default',
    missing: () =>
      existsSync(process.env.ABSURD_SQL ?? '')
        ? null
        : 'its npm package does not bring its stored procedures: set `ABSURD_SQL` to `sql/absurd.sql` of its repository',
  },
];

/** The version of a contestant's package, as it is installed; of Holdfast for what is ours, none for the floor. */
export function versionOf({ name, pkg }: Entry): string | null {
  if (name === 'floor') return null;
  const file = pkg === null ? '../../package.json' : `../node_modules/${pkg}/package.json`;
  return (JSON.parse(readFileSync(join(import.meta.dirname, file), 'utf8')) as { version: string }).version;
}
