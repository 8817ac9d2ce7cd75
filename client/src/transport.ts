import type { ClientOptions } from './client.ts';
import { HoldfastError, UnreachableError } from './errors.ts';
import { backoff, limited, sleep } from './timing.ts';
import type { Problem } from './wire.ts';

const TIMEOUT_MS = 30_000;
const PATIENCE_MS = 10_000;
/** Longer than that no server is believed that asks for a pause. */
export const LONGEST_ASKED_MS = 60_000;
/** Errors of a connection that never came about, so that nothing can have been asked. */
const NOT_SENT = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT)$/;

export interface Call {
  method: 'GET' | 'POST' | 'DELETE';
  /** From `/v1` on; what is put into it is encoded already. */
  path: string;
  query?: object;
  headers?: Record<string, string>;
  /** Text or bytes as they are; anything else as JSON. */
  body?: unknown;
  /** Whether doing it twice is the same as doing it once: then it is tried again when an answer got lost. */
  repeatable: boolean;
  /** How long the server was asked to wait before it answers. */
  waitMs?: number | undefined;
  /** Instead of the client's own. */
  timeoutMs?: number | undefined;
  patienceMs?: number | undefined;
  /** Of a pause between two tries, also of one that the server asks for. */
  longestPauseMs?: number;
  signal?: AbortSignal | undefined;
  /** Statuses that are answers as good as 2xx. */
  alsoFine?: readonly number[];
}

export interface Answer {
  status: number;
  headers: Headers;
  bytes: Uint8Array;
  text(): string;
  /** Throws `HoldfastError` when it is no JSON: then whatever answered is no Holdfast. */
  json<Body>(): Body;
}

export interface Transport {
  readonly servers: readonly string[];
  readonly patienceMs: number;
  /** Throws `HoldfastError`, `UnreachableError`, or the reason of the call's signal. */
  send(call: Call): Promise<Answer>;
}

/** One try that did not end well, and whether it is worth another one. */
interface Trouble {
  error: HoldfastError | UnreachableError;
  passing: boolean;
}

/** Whether a call that failed so surely changed nothing. */
function didNothing(error: unknown): boolean {
  if (error instanceof UnreachableError) return !error.sent;
  return error instanceof HoldfastError && (error.status < 500 || error.code === 'shutting_down');
}

/** Whether a call that failed so may all the same have done what it asked for. */
export function mayHaveDone(error: unknown): boolean {
  return (error instanceof HoldfastError || error instanceof UnreachableError) && !didNothing(error);
}

/**
 * Sends calls to the servers: one of them until it does not answer, then the next. `onTrouble` hears of each try that is
 * followed by another one.
 */
export function createTransport(
  options: ClientOptions,
  onTrouble: (error: Error) => void = () => {},
): Transport {
  const servers = [options.server].flat().map(readServer);
  if (servers.length === 0) throw new TypeError('`server` names no server');
  const { timeoutMs = TIMEOUT_MS, patienceMs = PATIENCE_MS } = options;
  let current = 0;

  async function tryOnce(call: Call, server: string): Promise<Answer | Trouble> {
    const limit = limited((call.timeoutMs ?? timeoutMs) + (call.waitMs ?? 0), call.signal);
    try {
      const answer = await fetchAnswer(server, call, options, limit.signal);
      const fine = answer.status < 300 || answer.status === 304 || call.alsoFine?.includes(answer.status);
      return fine ? answer : refusal(answer);
    } catch (error) {
      call.signal?.throwIfAborted();
      return noAnswer(server, error);
    } finally {
      limit.end();
    }
  }

  async function send(given: Call): Promise<Answer> {
    given.signal?.throwIfAborted();
    const call = { ...given, ...writeBody(given) };
    const until = performance.now() + (call.patienceMs ?? patienceMs);
    for (let tries = 1; ; tries += 1) {
      const tried = current;
      const answer = await tryOnce(call, servers[tried] as string);
      if (!('passing' in answer)) return answer;
      const { error, passing } = answer;
      if (!passing || !(call.repeatable || didNothing(error))) throw error;
      onTrouble(error);
      // Only from the one that failed: of many calls in flight one alone moves on.
      if (current === tried) current = (tried + 1) % servers.length;
      // Another server may well answer: the first round over all of them goes without a pause.
      if (tries < servers.length) continue;
      const asked = error instanceof HoldfastError ? Math.min(error.retryAfterMs ?? 0, LONGEST_ASKED_MS) : 0;
      const pause = Math.min(
        Math.max(asked, backoff(tries - servers.length)),
        call.longestPauseMs ?? Infinity,
      );
      if (performance.now() + pause > until) throw ofAll(error, servers);
      await sleep(pause, call.signal);
    }
  }

  return { servers, patienceMs, send };
}

/** When each of several servers was tried, the error speaks of all of them. */
function ofAll(error: Error, servers: readonly string[]): Error {
  if (servers.length < 2 || !(error instanceof UnreachableError)) return error;
  const { message, sent } = error;
  return new UnreachableError(`none of ${servers.length} servers answers; the last: ${message}`, servers, {
    sent,
    cause: error,
  });
}

function writeBody({ body, headers }: Call): Pick<Call, 'body' | 'headers'> {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) return {};
  return { body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } };
}

function readServer(server: string): string {
  let url: URL;
  try {
    url = new URL(server);
  } catch {
    throw new TypeError(`${server} is no URL; write it like http://127.0.0.1:3000`);
  }
  if (!/^https?:$/.test(url.protocol)) throw new TypeError(`${server} is no http or https URL`);
  if (url.username !== '' || url.password !== '')
    throw new TypeError(
      'a server URL holds no user and password; give them as `headers: {authorization: …}`',
    );
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

async function fetchAnswer(
  server: string,
  call: Call,
  options: ClientOptions,
  signal: AbortSignal,
): Promise<Answer> {
  const send = options.fetch ?? globalThis.fetch;
  const url = `${server}${call.path}${queryOf(call.query ?? {})}`;
  const response = await send(url, {
    method: call.method,
    headers: { ...options.headers, ...call.headers },
    ...(call.body === undefined ? {} : { body: call.body as string }),
    // A POST that is led elsewhere becomes a GET, whose answer means something else.
    redirect: 'error',
    signal,
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const text = () => new TextDecoder().decode(bytes);
  const json = <Body>(): Body => {
    try {
      return JSON.parse(text()) as Body;
    } catch {
      const detail = `${server} answered ${response.status} with something that is no JSON; is it a Holdfast server?`;
      throw new HoldfastError(response.status, { code: 'not_holdfast', detail });
    }
  };
  return { status: response.status, headers: response.headers, bytes, text, json };
}

function queryOf(query: object): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value]
      .flat()
      .filter((one) => one !== undefined)
      .map((one): [string, string] => [name, String(one)]),
  );
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`;
}

function refusal(answer: Answer): Trouble {
  const { status, headers } = answer;
  let problem: Partial<Problem> = {};
  if (/\bjson\b/.test(headers.get('content-type') ?? '')) problem = answer.json();
  const error = new HoldfastError(status, problem, retryAfter(headers.get('retry-after')));
  return {
    error,
    passing: isPassing(status),
  };
}

/** 502 and 504 are what a proxy says while the server behind it starts anew. */
export function isPassing(status: number): boolean {
  return [429, 502, 503, 504].includes(status);
}

function noAnswer(server: string, error: unknown): Trouble {
  if (error instanceof HoldfastError) return { error, passing: false };
  const { code, why } = causeOf(error);
  return {
    error: new UnreachableError(`${server} does not answer: ${why}`, [server], {
      sent: !NOT_SENT.test(code),
      cause: error,
    }),
    passing: true,
  };
}

/** `fetch failed` says nothing: what it was stands in the innermost cause. */
function causeOf(error: unknown): { code: string; why: string } {
  const { cause, code, errors } = error as { cause?: unknown; code?: unknown; errors?: unknown[] };
  if (cause instanceof Error) return causeOf(cause);
  const [first] = errors ?? [];
  const message = (error instanceof Error && error.message) || (first instanceof Error && first.message);
  return { code: String(code ?? ''), why: message || String(error) };
}

function retryAfter(header: string | null): number | null {
  if (header === null) return null;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const instant = Date.parse(header);
  return Number.isNaN(instant) ? null : Math.max(0, instant - Date.now());
}
