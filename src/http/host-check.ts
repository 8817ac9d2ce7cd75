import type { FastifyRequest } from 'fastify';
import { AppError } from '../domain/errors.ts';
import { type HostName, isLoopback, readHostName } from '../domain/host-name.ts';

/**
 * Refuses requests that a page in somebody's browser may have sent: a name that was made to point here (DNS rebinding)
 * shows in `Host`, a foreign page in `Origin` or `Sec-Fetch-Site`. `allowedHosts` are names, with a port when only
 * that one is meant. An address that the client really reached needs no leave: only names can be made to point here.
 */
export function createHostCheck(allowedHosts: readonly string[]): (request: FastifyRequest) => void {
  const allowed = new Set(allowedHosts.map(keyOfSetting));
  return (request) => {
    const host = hostOf(request);
    if (host !== null) {
      const read = readHostName(host);
      if (read === null || !isServed(read, allowed, request))
        throw new AppError('forbidden_host', refusal(host));
    }
    checkPage(request, host);
  };
}

/** The path of a request whose target is a whole URL, as clients write it to proxies; any other target as it is. */
export function pathOfTarget(target: string): string {
  const authority = /^https?:\/\/[^/?#]*/i.exec(target)?.[0];
  if (authority === undefined) return target;
  const path = target.slice(authority.length);
  return path.startsWith('/') ? path : `/${path}`;
}

/** What the client takes this server for; null when it does not say, as HTTP/1.0 allows. */
function hostOf({ originalUrl, raw, headers }: FastifyRequest): string | null {
  const given = raw.rawHeaders.filter((name, index) => index % 2 === 0 && /^host$/i.test(name)).length;
  // With more than one, what stands before us may have looked at another than we do.
  if (given > 1) throw new AppError('bad_request', 'there is more than one Host header; send one');
  // A target that is a whole URL counts instead of the header (RFC 9112, 3.2.2).
  const target = /^https?:\/\/([^/?#]*)/i.exec(originalUrl)?.[1];
  const host = target ?? headers.host ?? '';
  // What builds links by the header must not be led elsewhere.
  if (headers.host !== undefined && host.toLowerCase() !== headers.host.toLowerCase())
    throw new AppError('bad_request', 'the Host header and the URL name different hosts; send the same');
  if (host !== '') return host;
  // What looks whether a server is alive often speaks HTTP/1.0; browsers never do.
  if (raw.httpVersion === '1.0') return null;
  throw new AppError('bad_request', 'the Host header is missing; HTTP/1.1 asks for it');
}

function isServed({ name, port }: HostName, allowed: ReadonlySet<string>, request: FastifyRequest): boolean {
  if (isLoopback(name) || allowed.has(name) || allowed.has(`${name}:${port}`)) return true;
  const reached = request.socket.localAddress?.replace(/^::ffff:(?=\d+\.)/, '') ?? '';
  return name === readHostName(reached.includes(':') ? `[${reached}]` : reached)?.name;
}

function keyOfSetting(host: string): string {
  const read = readHostName(host);
  if (read === null) throw new Error(`${host} is no host`);
  return /:\d+$/.test(host) ? `${read.name}:${read.port}` : read.name;
}

function checkPage({ headers, method }: FastifyRequest, host: string | null): void {
  const { origin, 'sec-fetch-site': site } = headers;
  if (origin !== undefined && (host === null || !isSame(origin, host))) {
    const detail = `a page of ${shorten(origin)} may not call ${shorten(host ?? 'this server')}`;
    throw new AppError('forbidden_origin', `${detail}; call it from outside a browser`);
  }
  if (site === undefined || site === 'same-origin' || site === 'none') return;
  // Browsers say nothing of the origin when a page loads an image or a script. Following a link is no call of the page.
  const { 'sec-fetch-mode': mode, 'sec-fetch-dest': destination } = headers;
  if (method === 'GET' && mode === 'navigate' && destination === 'document') return;
  throw new AppError(
    'forbidden_origin',
    'a page of another site may not call this server; call it from outside a browser',
  );
}

function isSame(origin: string, host: string): boolean {
  try {
    const { protocol, host: from } = new URL(origin);
    // Through URL, so that a port that is the default of its scheme counts as none on both sides.
    return (protocol === 'http:' || protocol === 'https:') && from === new URL(`${protocol}//${host}`).host;
  } catch {
    return false;
  }
}

function refusal(host: string): string {
  const name = readHostName(host)?.name;
  const wayOut =
    name === undefined
      ? 'ALLOWED_HOSTS says by which names it is'
      : `to serve that name, set ALLOWED_HOSTS=${shorten(name)}`;
  return `this server is not known as ${shorten(host)}; ${wayOut}`;
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
