import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';

/** One request of a flood. */
export interface Sent {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: Buffer;
  /** Sent in chunks, without saying how much it will be. */
  chunked?: boolean;
}

/** What came of a flood. */
export interface Tally {
  sent: number;
  /** Answers by status; `cut` for connections that ended without one, `late` for those that took too long. */
  answers: Map<string, number>;
  /** Problem codes of the refusals. */
  codes: Map<string, number>;
  /** Answers 429 and 503 without a `Retry-After`. */
  withoutRetryAfter: number;
  slowestMs: number;
  tookMs: number;
}

export interface FloodOptions {
  port: number;
  /** Requests in flight at once, each on a connection of its own. */
  concurrency: number;
  /** How many in all; absent: as many as go in `ms`. */
  count?: number;
  /** No request begins after so long. */
  ms: number;
  /** When a request counts as late. */
  patienceMs?: number;
  signal?: AbortSignal;
}

/** Sends what `next` gives for 0, 1, 2, … as fast as the answers come. */
export async function flood(next: (index: number) => Sent, options: FloodOptions): Promise<Tally> {
  const { concurrency, ms, count = Number.POSITIVE_INFINITY } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const started = performance.now();
  const tally: Tally = {
    ...{ sent: 0, answers: new Map(), codes: new Map(), withoutRetryAfter: 0, slowestMs: 0, tookMs: 0 },
  };
  const lane = async () => {
    while (tally.sent < count && performance.now() - started < ms && options.signal?.aborted !== true) {
      const since = performance.now();
      const one = next(tally.sent);
      tally.sent += 1;
      note(tally, await send(agent, one, options));
      tally.slowestMs = Math.max(tally.slowestMs, performance.now() - since);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, lane));
  agent.destroy();
  tally.tookMs = performance.now() - started;
  return tally;
}

interface Answer {
  status: string;
  code?: string;
  retryAfter?: string | undefined;
}

function note(tally: Tally, { status, code, retryAfter }: Answer): void {
  tally.answers.set(status, (tally.answers.get(status) ?? 0) + 1);
  if (code !== undefined) tally.codes.set(code, (tally.codes.get(code) ?? 0) + 1);
  if ((status === '429' || status === '503') && !(Number(retryAfter) > 0)) tally.withoutRetryAfter += 1;
}

function send(agent: Agent, one: Sent, { port, patienceMs = 120_000 }: FloodOptions): Promise<Answer> {
  const { method, path, body, chunked = false } = one;
  const length = body === undefined || chunked ? {} : { 'content-length': String(body.length) };
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  return new Promise((resolve) => {
    const headers = { ...type, ...length, ...one.headers };
    const sent = request({ host: '127.0.0.1', port, method, path, headers, agent });
    const timer = setTimeout(() => {
      resolve({ status: 'late' });
      sent.destroy();
    }, patienceMs);
    const end = (answer: Answer) => {
      clearTimeout(timer);
      resolve(answer);
    };
    sent.on('error', () => end({ status: 'cut' }));
    sent.on('response', (response) => {
      read(response).then(end, () => end({ status: 'cut' }));
    });
    write(sent, body, chunked);
  });
}

async function read(response: IncomingMessage): Promise<Answer> {
  const status = String(response.statusCode);
  const said = await text(response);
  const retryAfter = response.headers['retry-after'];
  if (Number(status) < 400) return { status };
  const problem = JSON.parse(said) as { code?: string };
  return { status, retryAfter, ...(problem.code === undefined ? {} : { code: problem.code }) };
}

const CHUNK = 64 * 1024;

function write(sent: ClientRequest, body: Buffer | undefined, chunked: boolean): void {
  if (body === undefined || !chunked) {
    sent.end(body);
    return;
  }
  let at = 0;
  const more = () => {
    while (at < body.length) {
      const goesOn = sent.write(body.subarray(at, at + CHUNK));
      at += CHUNK;
      if (!goesOn) {
        sent.once('drain', more);
        return;
      }
    }
    sent.end();
  };
  more();
}
