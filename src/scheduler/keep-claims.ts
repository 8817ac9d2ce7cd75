import type { Logger } from 'pino';
import type { Store } from '../database/store.ts';
import { checkClaims, extendClaims } from '../operations/extend-claims.ts';
import { reportProgress } from '../operations/report-progress.ts';
import type { Held, HeldSteps } from './held-steps.ts';
import { type Loop, startLoop } from './loop.ts';

const INTERVAL_MS = 1000;
const FRESH_MS = 300;
// Long enough that a burst of changes costs one look.
const LOOK_MS = 30;

/**
 * Keeps the claims of this server's running steps alive and stops actions whose claim is lost: cancelled, rescued or
 * timed out. Passes on what they report of their progress. Looks every second, and soon after something changed in a job that has a step here.
 */
export function keepClaims(options: { store: Store; held: HeldSteps; ttlMs: number; log: Logger }): Loop {
  const { store, held, ttlMs, log } = options;
  const changed = new Set<string>();
  let looking = false;

  const pass = async () => {
    const now = performance.now();
    // Those just claimed or extended are sure to be ours; all others are looked at in every pass.
    const old = held.all().filter((entry) => now - entry.extendedAt >= Math.min(FRESH_MS, ttlMs / 3));
    const due = old.filter((entry) => now - entry.extendedAt >= ttlMs / 3);
    stopLost(await extendClaims(store, due.map(runningOf), ttlMs), due);
    for (const entry of due) entry.extendedAt = now;
    const rest = old.filter((entry) => !due.includes(entry));
    stopLost(await checkClaims(store, rest.map(runningOf)), rest);
    await report(held.all().filter((entry) => entry.progress !== null && !entry.ended));
    return Math.min(INTERVAL_MS, ttlMs / 3);
  };

  // At most once a pass, and so once a second: a report moves the job's version.
  const report = async (entries: Held[]) => {
    const reports = entries.map((entry) => ({ ...runningOf(entry), progress: entry.progress ?? 0 }));
    for (const entry of entries) entry.progress = null;
    await reportProgress(store, reports);
  };

  const look = async () => {
    looking = false;
    const entries = held
      .all()
      .filter((entry) => !entry.ended && !entry.instant && changed.has(entry.claim.job_id));
    changed.clear();
    stopLost(await checkClaims(store, entries.map(runningOf)), entries);
  };

  const stopLost = (lost: string[], entries: Held[]) => {
    for (const entry of entries) {
      if (!lost.includes(entry.claim.claim_id) || entry.ended) continue;
      log.info(
        { job_id: entry.claim.job_id, ordinal: entry.claim.ordinal },
        'a claim is no longer valid; stopping',
      );
      entry.controller.abort('lost');
    }
  };

  const lookSoon = (ids: string[]) => {
    for (const id of ids) changed.add(id);
    if (looking) return;
    looking = true;
    setTimeout(() => {
      look().catch((error) =>
        log.debug({ err: error }, 'could not look for lost claims; the next pass will'),
      );
    }, LOOK_MS);
  };
  const unsubscribe = store.wakeUps.onJobsChanged(lookSoon);
  const unsubscribeAny = store.wakeUps.onAnyJobChanged(() =>
    lookSoon(held.all().map(({ claim }) => claim.job_id)),
  );
  const loop = startLoop({ name: 'claims', intervalMs: INTERVAL_MS, log, pass });
  return {
    wake: loop.wake,
    stop() {
      unsubscribe();
      unsubscribeAny();
      return loop.stop();
    },
  };
}

function runningOf({ claim }: Held) {
  const { job_id, ordinal, claim_id } = claim;
  return { job_id, ordinal, claim_id };
}
