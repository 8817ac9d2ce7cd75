import type { Random } from '../../test/engine/random-jobs.ts';

/** Of the requests that ask for claims, so many are sent twice at once; the others again as soon as they are answered. */
const AT_ONCE = 0.1;
const PATIENCE_MS = 2_000;

/**
 * A `fetch` that sends every POST twice, the second time to any of the servers: whoever sends the same thing again must
 * find it done once. The first copy is answered to the caller; `onAnswer` hears of both.
 */
export function twice(
  servers: readonly string[],
  random: Random,
  onAnswer: (request: { url: string; body: string }, copy: () => Response) => Promise<void> = async () => {},
): typeof fetch {
  return async (input, init) => {
    const url = String(input);
    if (init?.method !== 'POST') return fetch(url, init);
    const body = typeof init.body === 'string' ? init.body : '';
    const send = async (to: string, signal?: AbortSignal) => {
      const response = await fetch(to, signal === undefined ? init : { ...init, signal });
      await onAnswer({ url, body }, () => response.clone());
      return response;
    };
    const other = url.replace(/^http:\/\/[^/]+/, random.pick(servers));
    const again = async (signal?: AbortSignal) =>
      send(other, signal)
        .then((response) => response.body?.cancel())
        .catch(() => {});
    // Once the claims of a request have ended, the same request is a new one, whose claims nobody would hear of: so a
    // worker repeats it before it begins with them, as one does whose answer was lost.
    if (/\/v1\/claims(\/settle)?$/.test(url) && !random.chance(AT_ONCE)) {
      const response = await send(url);
      if (/"data":\[\{/.test(await response.clone().text())) await again(AbortSignal.timeout(PATIENCE_MS));
      return response;
    }
    const over = new AbortController();
    void again(url.endsWith('/v1/claims') ? over.signal : undefined);
    return send(url).finally(() => over.abort());
  };
}
