import type { Logger } from 'pino';
import type { Store } from '../database/store.ts';
import { cleanupJobs } from '../operations/cleanup-jobs.ts';
import { pruneWorkers } from '../operations/prune-workers.ts';
import { type Loop, startLoop } from './loop.ts';

const INTERVAL_MS = 60_000;
const PASS_MS = 5_000;

/** Deletes jobs that ended more than `days` ago. */
export function startPrune(store: Store, log: Logger, days: number): Loop {
  return startLoop({
    name: 'prune',
    intervalMs: INTERVAL_MS,
    log,
    async pass() {
      const { deleted_count, more } = await cleanupJobs(store, {
        days,
        statuses: null,
        dryRun: false,
        deadlineMs: PASS_MS,
      });
      if (deleted_count > 0)
        log.info({ jobs: deleted_count }, `pruned ${deleted_count} jobs older than ${days} days`);
      return more ? PASS_MS : undefined;
    },
  });
}

/** Forgets remote workers of which nobody has heard for long. */
export function startPruneWorkers(store: Store, log: Logger): Loop {
  return startLoop({
    name: 'prune workers',
    intervalMs: INTERVAL_MS,
    log,
    async pass() {
      const workers = await pruneWorkers(store);
      if (workers > 0)
        log.info({ workers }, `forgot ${workers} ${workers === 1 ? 'worker' : 'workers'} gone for long`);
      return undefined;
    },
  });
}
