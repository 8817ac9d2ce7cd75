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
export function backoff(tries: number, mostMs = 5_000): number {
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
