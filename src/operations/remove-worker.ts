import { setTimeout as pause } from 'node:timers/promises';
import { passesByItself } from '../database/sql-state.ts';
import type { Store } from '../database/store.ts';
import { findStoppedHolders } from '../repositories/remote-workers.ts';
import { changeWorker } from './change-worker.ts';
import { type Rescue, releaseSteps, releaseStepsOfOneJob } from './rescue-steps.ts';

// How long somebody else may hold a job before its steps are left to the rescue loop.
const PATIENCE_MS = 3_000;
const WAIT_MS = 100;
const PAUSE_MS = 20;
const WORKERS_AT_ONCE = 20;

/**
 * Removes a remote worker: it is told to stop, is granted nothing any more, and what it holds is given back, uncharged.
 * Jobs that somebody holds are waited for, for a while; what is left then (`left`), or by a crash in between, is given
 * back by the rescue loop of any server. Throws `worker_not_found`, `worker_is_server`.
 */
export async function removeWorker(
  store: Store,
  id: string,
  patienceMs: number = PATIENCE_MS,
): Promise<{ released: number; left: number }> {
  await changeWorker(store, id, 'stop');
  const deadline = performance.now() + patienceMs;
  let released = 0;
  for (;;) {
    const { found, rescued } = await releaseSteps(store, id);
    released += rescued;
    if (found === 0) return { released, left: 0 };
    if (performance.now() > deadline) return { released, left: found - rescued };
    if (rescued > 0) continue;
    const waited = await waitForOneJob(store, id);
    released += waited.rescued;
    // Its job is about to be timed out, or is stuck.
    if (waited.rescued === 0) await pause(PAUSE_MS);
  }
}

async function waitForOneJob(store: Store, id: string): Promise<Rescue> {
  try {
    return await releaseStepsOfOneJob(store, id, WAIT_MS);
  } catch (error) {
    if (passesByItself(error)) return { found: 0, rescued: 0 };
    throw error;
  }
}

/** Gives back what workers still hold whose removal was cut short. Returns how many steps were given back. */
export async function finishRemovals(store: Store): Promise<number> {
  let released = 0;
  for (const id of await findStoppedHolders(store.db, WORKERS_AT_ONCE)) {
    released += (await releaseSteps(store, id)).rescued;
  }
  return released;
}
