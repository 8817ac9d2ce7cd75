import type { Logger } from 'pino';
import type { Catalogue } from '../actions/catalogue.ts';
import type { DatabaseAddress } from '../database/connection.ts';
import type { Store } from '../database/store.ts';
import type { ServerEntry } from '../operations/keep-server.ts';
import type { ProgressReport } from '../operations/report-progress.ts';
import type { EngineMeter } from '../telemetry/engine-metrics.ts';
import { type Dispatch, startDispatch } from './dispatch.ts';
import { startLiveness } from './liveness.ts';
import { startPrune, startPruneWorkers } from './prune.ts';
import { gatherRemoteProgress, startRemoteProgress } from './remote-progress.ts';
import { rescuePredecessors, startRescue } from './rescue.ts';
import { startWake } from './wake.ts';

export interface SchedulerSettings {
  entry: ServerEntry;
  claimTtlMs: number;
  /** Delete jobs this many days after they ended; null: never. */
  retentionDays: number | null;
  /** Nobody else can be alive on this database: what others hold is given back at once. */
  soleServer: boolean;
}

/** What happens by itself. */
export interface Scheduler {
  /** Takes what a remote worker says of its progress; written about once a second. */
  reportProgress(report: ProgressReport): void;
  /** Where remote workers claim and settle. */
  remote: Dispatch['remote'];
  /** Requests of remote workers that wait for claims at this moment. */
  waiting: Dispatch['waiting'];
  /** Stops claiming, lets running steps finish for `graceMs`, gives the rest back, ends the signs of life. */
  stop(graceMs: number): Promise<void>;
}

/**
 * Starts everything that a server does without being asked. `vital` is the same database over connections of its own,
 * for what must never wait behind work: heartbeats and extends.
 */
export async function startScheduler(options: {
  store: Store;
  /** For handing steps out to remote workers, of whom there may be thousands; as `store` when absent. */
  workers?: Store;
  vital: Store;
  connection: DatabaseAddress;
  catalogue: Catalogue;
  settings: SchedulerSettings;
  log: Logger;
  meter?: EngineMeter;
}): Promise<Scheduler> {
  const { store, vital, connection, catalogue, settings, log, meter } = options;
  const { entry, claimTtlMs, retentionDays } = settings;
  const liveness = await startLiveness({ store: vital, connection, entry, log });
  if (settings.soleServer) await rescuePredecessors(store, log, entry.id);
  const { trustedSince } = liveness;
  const progress = gatherRemoteProgress();
  const loops = [
    startRemoteProgress(store, log, progress),
    startRescue({ store, log, serverId: entry.id, claimTtlMs, trustedSince }),
    startWake(store, log),
    startPruneWorkers(store, log),
    ...(retentionDays === null ? [] : [startPrune(store, log, retentionDays)]),
  ];
  const dispatch = startDispatch({
    store,
    workers: options.workers ?? store,
    vital,
    catalogue,
    settings: { workerId: entry.id, slots: entry.slots, queues: entry.queues, claimTtlMs },
    log,
    ...(meter === undefined ? {} : { meter }),
  });
  return {
    reportProgress: progress.report,
    remote: dispatch.remote,
    waiting: dispatch.waiting,
    async stop(graceMs) {
      await dispatch.stop(graceMs);
      await Promise.all(loops.map((loop) => loop.stop()));
      await liveness.stop();
    },
  };
}
