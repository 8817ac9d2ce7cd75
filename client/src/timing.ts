/** Resolves after `ms`; rejects with the signal's reason when that is aborted before. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}

/** How long to wait before the next of several tries, the first being 0: doubling, the upper half at random. */
export function backoff(tries: number, mostMs = 3_000): number {
  const ms = Math.min(mostMs, 100 * 2 ** Math.min(tries, 20));
  // By chance, so that many clients of a server that came back do not all ask at the same moment.
  return ms / 2 + (Math.random() * ms) / 2;
}

/**
 * A signal that is aborted after `ms` or with another one; `end` lets both go. Not `AbortSignal.any`, which keeps a
 * trace of every request on a signal that lives as long as the program.
 */
export function limited(ms: number, outer?: AbortSignal): { signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  const abort = () => controller.abort(outer?.reason);
  if (outer?.aborted) abort();
  outer?.addEventListener('abort', abort, { once: true });
  const timer = setTimeout(() => {
    controller.abort(new DOMException(`no answer within ${Math.round(ms)} ms`, 'TimeoutError'));
  }, ms);
  return {
    signal: controller.signal,
    end: () => {
      clearTimeout(timer);
      outer?.removeEventListener('abort', abort);
    },
  };
}

/** Calls back once everything that is due now is done. */
export function soon(then: () => void): void {
  const { setImmediate: immediate } = globalThis as { setImmediate?: (then: () => void) => unknown };
  if (immediate) immediate(then);
  else setTimeout(then, 0);
}

const TICK_MS = 200;
/** What came in while this process stood still may be read a little later. */
const STALE_MS = 250;

/**
 * Looks at the clock several times a second. `onTick` is called each time, `onJump` when the time of day has gone on
 * without this machine's own clock, as after it slept. `stoodStill`: milliseconds for which this process did nothing
 * just before now, so that what it reads now may be as old.
 */
export function watchClock(onTick: () => void, onJump: () => void): { stoodStill(): number; end(): void } {
  let lastTick = performance.now();
  let lastDate = Date.now();
  let still = { ms: 0, seenAt: 0 };
  const gap = () => performance.now() - lastTick - TICK_MS;
  const timer = setInterval(() => {
    if (gap() > TICK_MS) still = { ms: gap(), seenAt: performance.now() };
    const passed = performance.now() - lastTick;
    if (Date.now() - lastDate > passed + 1_000) onJump();
    lastTick = performance.now();
    lastDate = Date.now();
    onTick();
  }, TICK_MS);
  return {
    stoodStill: () => {
      const before = performance.now() - still.seenAt < STALE_MS ? still.ms : 0;
      return Math.max(0, gap(), before);
    },
    end: () => clearInterval(timer),
  };
}
