import type { Logger } from 'pino';
import type { Store } from '../database/store.ts';
import { decideConditions } from '../operations/decide-conditions.ts';
import { decideOutputs } from '../operations/decide-outputs.ts';
import { nextDue } from '../operations/next-due.ts';
import { startScheduledJobs } from '../operations/start-scheduled-jobs.ts';
import { wakeSteps } from '../operations/wake-steps.ts';
import { type Loop, startLoop } from './loop.ts';

const INTERVAL_MS = 1000;
// Due work that nobody could take yet, because its job is locked, is looked at again after this.
const BUSY_MS = 20;

/**
 * Takes what time or a decision lets go: due waiting steps, due scheduled jobs, and steps and jobs left undecided,
 * by this server just now or by one that crashed.
 */
export function startWake(store: Store, log: Logger): Loop {
  const loop = startLoop({
    name: 'wake',
    intervalMs: INTERVAL_MS,
    log,
    async pass() {
      const found =
        (await decideConditions(store)) +
        (await decideOutputs(store)) +
        (await wakeSteps(store)) +
        (await startScheduledJobs(store));
      const due = await nextDue(store);
      if (found > 0) return Math.max(0, Math.min(due ?? BUSY_MS, BUSY_MS));
      return due === null ? undefined : Math.max(BUSY_MS, due);
    },
  });
  const unsubscribe = store.wakeUps.onSomethingDue(() => loop.wake());
  return {
    wake: () => loop.wake(),
    stop() {
      unsubscribe();
      return loop.stop();
    },
  };
}
