import type { FastifyRequest } from 'fastify';
import { AppError } from '../domain/errors.ts';

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Refuses requests that a page in somebody's browser may have sent: a name that was made to point here (DNS rebinding)
 * shows in `Host`, a foreign page in `Origin`. `allowedHosts` are names, with a port when only that one is meant.
 */
export function createHostCheck(allowedHosts: readonly string[]): (request: FastifyRequest) => void {
  const allowed = new Set(
    allowedHosts.map((host) => host.trim().toLowerCase()).filter((host) => host !== ''),
  );
  return (request) => {
    const host = (request.headers.host ?? '').toLowerCase();
    // HTTP/1.0 may leave it out; browsers never do.
    if (host !== '' && !isAllowed(host, allowed)) throw new AppError('forbidden_host', refusal(host));
    const { origin } = request.headers;
    if (origin !== undefined && !isSame(origin, host)) {
      const detail = `a page of ${shorten(origin)} may not call ${shorten(host)}; call it from outside a browser`;
      throw new AppError('forbidden_origin', detail);
    }
  };
}

function isAllowed(host: string, allowed: ReadonlySet<string>): boolean {
  const name = host.replace(/:\d*$/, '');
  return LOOPBACK.has(name) || allowed.has(name) || allowed.has(host);
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
  const name = host.replace(/:\d*$/, '');
  return `this server is not known as ${shorten(host)}; to serve that name, set ALLOWED_HOSTS=${shorten(name)}`;
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
