import type { Logger } from 'pino';
import type { Store } from '../database/store.ts';
import { findDeadServers, findPredecessors, removeServer } from '../operations/keep-server.ts';
import { finishRemovals } from '../operations/remove-worker.ts';
import { type Rescue, rescueExpired, rescueWorker } from '../operations/rescue-steps.ts';
import { timeOutJobs } from '../operations/time-out-jobs.ts';
import { inTurn, type Loop, startLoop } from './loop.ts';

const INTERVAL_MS = 500;
const SILENCE_MS = 2000;
// Only a crash or a stuck job leaves a removal unfinished, and the look reads every running step.
const REMOVALS_MS = 5000;

/**
 * Gives back the steps of dead servers and expired claims, and what is left of removed workers, and ends jobs past their
 * deadline. `trustedSince` is the moment (`performance.now()`) since which this server has had its database without a
 * break: right after an outage everybody looks dead, because nobody could write.
 */
export function startRescue(options: {
  store: Store;
  log: Logger;
  serverId: string;
  claimTtlMs: number;
  trustedSince: () => number;
}): Loop {
  const { store, log, serverId, claimTtlMs, trustedSince } = options;
  let removalsAt = 0;
  return startLoop({
    name: 'rescue',
    intervalMs: INTERVAL_MS,
    log,
    async pass() {
      const trusted = performance.now() - trustedSince();
      await inTurn([
        async () => {
          if (trusted >= SILENCE_MS) await rescueDeadServers(store, log, serverId);
        },
        async () => {
          if (trusted >= claimTtlMs) reportRescue(log, await rescueExpired(store), 'claims that expired');
        },
        async () => void (await timeOutJobs(store)),
        async () => {
          if (performance.now() < removalsAt) return;
          removalsAt = performance.now() + REMOVALS_MS;
          await finishRemovals(store);
        },
      ]);
      return undefined;
    },
  });
}

async function rescueDeadServers(store: Store, log: Logger, serverId: string): Promise<void> {
  const dead = await findDeadServers(store, serverId, SILENCE_MS);
  await inTurn(dead.map((server) => () => rescueServer(store, log, server)));
}

/** Gives back at once what earlier servers on this data folder held: whoever owns the folder knows that they died. */
export async function rescuePredecessors(store: Store, log: Logger, serverId: string): Promise<void> {
  for (const server of await findPredecessors(store, serverId)) await rescueServer(store, log, server);
}

async function rescueServer(store: Store, log: Logger, server: { id: string; name: string }): Promise<void> {
  for (;;) {
    const rescue = await rescueWorker(store, server.id);
    reportRescue(log, rescue, `server ${server.name}, which died`);
    // What is locked by somebody else stays for the next pass; the entry stays with it.
    if (rescue.found === 0) return removeServer(store, server.id);
    if (rescue.rescued === 0) return;
  }
}

function reportRescue(log: Logger, rescue: Rescue, from: string): void {
  if (rescue.rescued > 0)
    log.warn(
      { steps: rescue.rescued },
      `rescued ${rescue.rescued} ${rescue.rescued === 1 ? 'step' : 'steps'} of ${from}`,
    );
}
