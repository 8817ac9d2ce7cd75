import { Pool } from 'undici';

/** Connections that stay open, for a generator of load that costs little: bodies are text, answers are not parsed. */
export interface LoadClient {
  /** Rejects unless the answer is 2xx. */
  post(path: string, body: string): Promise<void>;
  /** The same, with the answer parsed. */
  ask(path: string, body?: string): Promise<unknown>;
  /** Milliseconds until the whole answer to a GET is here; it is not parsed. */
  timeGet(path: string): Promise<number>;
  close(): Promise<void>;
}

export function createLoadClient(url: string, connections: number): LoadClient {
  const pool = new Pool(url, { connections, pipelining: 1, bodyTimeout: 0, headersTimeout: 0 });
  const request = async (path: string, body?: string) => {
    const answer = await pool.request({
      path,
      method: body === undefined ? 'GET' : 'POST',
      ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
    });
    if (answer.statusCode >= 300) throw new Error(`${answer.statusCode}: ${await answer.body.text()}`);
    return answer.body;
  };
  return {
    async post(path, body) {
      // What is left unread past the limit would cost the connection.
      await (await request(path, body)).dump({ limit: Number.MAX_SAFE_INTEGER });
    },
    async ask(path, body) {
      return await (await request(path, body)).json();
    },
    async timeGet(path) {
      const from = performance.now();
      await (await request(path)).arrayBuffer();
      return performance.now() - from;
    },
    close: () => pool.close(),
  };
}
