import { setTimeout as pause } from 'node:timers/promises';

const LONGEST_MS = 600_000;
const SHORTEST_PAUSE_MS = 10;
/** Looking must not be what is measured: between two looks passes this many times as long as a look takes. */
const PAUSE_FACTOR = 30;

/** Looks again and again until the condition holds; rejects after ten minutes, or `ms`. */
export async function until(condition: () => Promise<boolean>, ms = LONGEST_MS): Promise<void> {
  const end = performance.now() + ms;
  for (;;) {
    const from = performance.now();
    if (await condition()) return;
    const now = performance.now();
    if (now > end) throw new Error(`it took longer than ${Math.round(ms / 1000)} s`);
    await pause(Math.max(SHORTEST_PAUSE_MS, (now - from) * PAUSE_FACTOR));
  }
}
