import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

// The thread that `watch.ts` starts: looks at the server again and again, beside the flood and not within it.

/** What was seen since the last time somebody asked. */
export interface Seen {
  livez: number;
  livezFailed: number;
  slowestLivezMs: number;
  extends: number;
  extendsFailed: number;
  slowestExtendMs: number;
  /** Claims that an answer called lost. */
  lost: string[];
}

const { port, claims } = workerData as { port: number; claims: string[] };
// A connection of each's own, as probes and workers have them.
const agent = new Agent({ keepAlive: true, maxSockets: 2 });
const EVERY_MS = { livez: 100, extend: 400 };
const PATIENCE_MS = { livez: 30_000, extend: 30_000 };

let seen = nothing();

function nothing(): Seen {
  return {
    ...{ livez: 0, livezFailed: 0, slowestLivezMs: 0 },
    ...{ extends: 0, extendsFailed: 0, slowestExtendMs: 0, lost: [] },
  };
}

async function ask(
  method: string,
  path: string,
  ms: number,
  body?: string,
): Promise<{ status: number; said: string }> {
  return new Promise((resolve) => {
    const none = { status: 0, said: '' };
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const sent = request(
      { host: '127.0.0.1', port, method, path, agent, headers, timeout: ms },
      (response) => {
        text(response).then(
          (said) => resolve({ status: response.statusCode ?? 0, said }),
          () => resolve(none),
        );
      },
    );
    sent.on('timeout', () => sent.destroy(new Error('too late')));
    sent.on('error', () => resolve(none));
    sent.end(body);
  });
}

async function watchLivez(): Promise<never> {
  for (;;) {
    const since = performance.now();
    const { status } = await ask('GET', '/livez', PATIENCE_MS.livez);
    seen.livez += 1;
    if (status !== 200) seen.livezFailed += 1;
    seen.slowestLivezMs = Math.max(seen.slowestLivezMs, performance.now() - since);
    await setTimeout(EVERY_MS.livez);
  }
}

async function watchExtends(): Promise<never> {
  const body = JSON.stringify({ claims: claims.map((id) => ({ id })) });
  for (;;) {
    const since = performance.now();
    const { status, said } = await ask('POST', '/v1/claims/extend', PATIENCE_MS.extend, body);
    seen.extends += 1;
    seen.slowestExtendMs = Math.max(seen.slowestExtendMs, performance.now() - since);
    if (status !== 200) seen.extendsFailed += 1;
    else {
      const { data } = JSON.parse(said) as { data: { id: string; action: string }[] };
      seen.lost.push(...data.filter(({ action }) => action !== 'continue').map(({ id }) => id));
    }
    await setTimeout(EVERY_MS.extend);
  }
}

parentPort?.on('message', () => {
  parentPort?.postMessage(seen);
  seen = nothing();
});
void watchLivez();
void watchExtends();
