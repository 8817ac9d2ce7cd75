import { Agent, type Dispatcher } from 'undici';
import { LIMITS } from '../domain/limits.ts';
import { type ConnectOptions, createConnect } from './connect.ts';
import { describeFailure, type Failure } from './failures.ts';
import { ACCEPTED_ENCODINGS, readBody } from './read-body.ts';
import { followRedirect, type Hop, isRedirect, showUrl } from './redirects.ts';

export interface OutboundRequest {
  method: string;
  /** http or https, without user and password (see `findUrlFault`). */
  url: URL;
  /** By lower-case name; `host` and what belongs to the connection are not among them. */
  headers: Readonly<Record<string, string>>;
  body: string | null;
  /** How many redirects are followed; 0: the redirect itself is the answer. */
  redirects: number;
  /** Of the answer's body, after decompression; the rest is not read. */
  maxBytes: number;
  /** Ends the request at once. There is no other limit to how long an answer may take. */
  signal: AbortSignal;
  /** Called for each request sent or refused. */
  onHop?(report: HopReport): void;
}

/** What became of one request of a chain. */
export interface HopReport {
  method: string;
  /** Without its query. */
  url: string;
  ms: number;
  /** Null when there was no answer. */
  status: number | null;
  /** Of the body, as far as it was read; null for a redirect. */
  bytes: number | null;
}

export interface OutboundAnswer {
  kind: 'answered';
  status: number;
  /** By lower-case name; several under one name as a list. Without the coding that was undone, and its length. */
  headers: Record<string, string | string[]>;
  body: Buffer;
  /** The body was longer than `maxBytes`. */
  cut: boolean;
  /** Which request of the chain it answers. */
  method: string;
  /** Without its query. */
  url: string;
}

/** `failed` says why there is no answer, `message` in a sentence, method and address included. */
export type OutboundEnd = OutboundAnswer | ({ kind: 'failed' } & Failure);

/** The way to the outside: requests to admitted addresses only. */
export interface Outbound {
  /** Sends a request and follows its redirects, each checked like the first. Never rejects. */
  send(request: OutboundRequest): Promise<OutboundEnd>;
  /** Ends every connection, also those in use. */
  close(): Promise<void>;
}

/** Opens nothing yet. `userAgent` is what requests say that they come from, unless they say something else. */
export function createOutbound(options: ConnectOptions & { userAgent: string }): Outbound {
  const agent = new Agent({
    connect: createConnect(options),
    allowH2: false,
    // The caller's signal says how long an answer may take.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: LIMITS.headerBytes,
    // Shorter than servers keep theirs: a request never meets a connection that is just being closed, and what is
    // open is bounded by what was sent within a second.
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
  });
  const headers = { 'user-agent': options.userAgent, accept: '*/*', 'accept-encoding': ACCEPTED_ENCODINGS };
  return {
    send: (request) => send(agent, { ...request, headers: { ...headers, ...request.headers } }),
    close: () => agent.destroy(),
  };
}

const KEEP_ALIVE_MS = 1000;

async function send(agent: Agent, request: OutboundRequest): Promise<OutboundEnd> {
  let hop: Hop = request;
  for (let followed = 0; ; followed++) {
    const end = await exchange(agent, hop, request);
    if (end.kind !== 'redirected') return end;
    const at = `${hop.method} ${showUrl(hop.url)}`;
    if (followed === request.redirects) {
      const message = `${at} answered ${end.status}, one redirect more than the ${request.redirects} that are followed`;
      return { kind: 'failed', failed: 'too_many_redirects', message };
    }
    const next = followRedirect(hop, end.status, end.location);
    if (typeof next === 'string') {
      return { kind: 'failed', failed: 'bad_redirect', message: `${at} answered ${end.status}: ${next}` };
    }
    hop = next;
  }
}

type Exchanged = OutboundEnd | { kind: 'redirected'; status: number; location: string };

/** Sends one request and reads its answer; of a redirect that is followed only the head. */
async function exchange(agent: Agent, hop: Hop, request: OutboundRequest): Promise<Exchanged> {
  const { method, url } = hop;
  const startedAt = performance.now();
  const report = (status: number | null, bytes: number | null) => {
    const ms = Math.round(performance.now() - startedAt);
    request.onHop?.({ method, url: showUrl(url), ms, status, bytes });
  };
  try {
    request.signal.throwIfAborted();
    const asked = agent.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: method as Dispatcher.HttpMethod,
      headers: { ...hop.headers },
      body: hop.body,
      signal: request.signal,
    });
    const answer = await unlessAborted(asked, request.signal);
    const { statusCode: status } = answer;
    const location = firstOf(answer.headers.location);
    if (request.redirects > 0 && isRedirect(status, location)) {
      // What it says besides is for people. Unread, it takes its connection along.
      answer.body.on('error', () => {}).destroy();
      report(status, null);
      return { kind: 'redirected', status, location };
    }
    const end = await readAnswer(answer, hop, request.maxBytes);
    report(status, end.body.length);
    return end;
  } catch (error) {
    report(null, null);
    return { kind: 'failed', ...describeFailure(error, hop, request.signal) };
  }
}

/** The library heeds the signal once there is a connection; a name that nobody answers for keeps that away for long. */
async function unlessAborted<Value>(value: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  return Promise.race([value, aborted]).finally(() => signal.removeEventListener('abort', abort));
}

async function readAnswer(
  answer: Dispatcher.ResponseData,
  { method, url }: Hop,
  maxBytes: number,
): Promise<OutboundAnswer> {
  const { statusCode: status } = answer;
  // These have no body, whatever their headers say that it would be.
  const empty = method === 'HEAD' || status === 204 || status === 304;
  const encoding = empty ? '' : [answer.headers['content-encoding'] ?? ''].flat().join(',');
  const { bytes, cut, decoded } = await readBody(answer.body, encoding, maxBytes);
  const left = Object.entries(answer.headers).filter(
    ([name]) => !decoded || (name !== 'content-encoding' && name !== 'content-length'),
  );
  const headers = Object.fromEntries(
    left.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  return { kind: 'answered', status, headers, body: bytes, cut, method, url: showUrl(url) };
}

function firstOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header;
}
