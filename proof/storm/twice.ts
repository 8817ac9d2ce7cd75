import type { Random } from '../../test/engine/random-jobs.ts';

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
    const hear = async (sent: Promise<Response>) => {
      const response = await sent;
      await onAnswer({ url, body }, () => response.clone());
      return response;
    };
    const other = url.replace(/^http:\/\/[^/]+/, random.pick(servers));
    // Nobody listens to a second wait for steps when the first is over; what it still brought would expire unused.
    const isWait = url.endsWith('/v1/claims');
    const waitOver = new AbortController();
    const second = hear(fetch(other, isWait ? { ...init, signal: waitOver.signal } : init));
    second.then((response) => response.body?.cancel()).catch(() => {});
    return hear(fetch(url, init)).finally(() => waitOver.abort());
  };
}
