import { setImmediate as nextTurn } from 'node:timers/promises';

const TURN_MS = 10;

/**
 * For long loops of work that never waits: call what this gives between two pieces. It lets other requests, and the
 * steps that run, have their turn when this one has had ten milliseconds; giving way more often would make a busy
 * server slower still.
 */
export function giveWay(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < TURN_MS) return;
    await nextTurn();
    since = performance.now();
  };
}
