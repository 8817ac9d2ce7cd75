import type { Logger } from 'pino';
import type { Store } from '../database/store.ts';
import { decideConditions } from '../operations/decide-conditions.ts';
import { decideOutputs } from '../operations/decide-outputs.ts';
import { nextDue } from '../operations/next-due.ts';
import { startScheduledJobs } from '../operations/start-scheduled-jobs.ts';
import { wakeSteps } from '../operations/wake-steps.ts';
import { inTurn, type Loop, startLoop } from './loop.ts';

const INTERVAL_MS = 1000;
// What was left because its job is locked, or because it was too much for one pass, is looked at again after this.
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
      const found = await inTurn(
        [decideConditions, decideOutputs, wakeSteps, startScheduledJobs].map((work) => () => work(store)),
      );
      if (found.some((count) => count > 0)) return BUSY_MS;
      const due = await nextDue(store);
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
