/** One request on its way: what a redirect changes. */
export interface Hop {
  method: string;
  url: URL;
  /** By lower-case name. */
  headers: Readonly<Record<string, string>>;
  body: string | null;
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What a client says of itself to one origin and must not say to another. */
const CREDENTIALS: ReadonlySet<string> = new Set(['authorization', 'cookie', 'proxy-authorization']);

/** Whether an answer leads to another address; any other 3xx is an answer like others. */
export function isRedirect(status: number, location: string | undefined): location is string {
  return REDIRECTS.has(status) && location !== undefined;
}

/**
 * The request that a redirect asks for, or one sentence on why it is not followed. As browsers do it: 303, and 301 and
 * 302 after a POST, ask by GET and without the body; 307 and 308 repeat the request. Credentials stay with their origin.
 */
export function followRedirect(hop: Hop, status: number, location: string): Hop | string {
  const url = URL.canParse(location, hop.url.href) ? new URL(location, hop.url) : null;
  if (url === null) return 'its redirect leads to what is no URL';
  const fault = findUrlFault(url);
  if (fault !== null) return `its redirect leads to an address that ${fault}`;
  const toGet =
    (status === 303 && hop.method !== 'GET' && hop.method !== 'HEAD') ||
    ((status === 301 || status === 302) && hop.method === 'POST');
  const dropped = (name: string) =>
    (url.origin !== hop.url.origin && CREDENTIALS.has(name)) || (toGet && name.startsWith('content-'));
  const headers = Object.fromEntries(Object.entries(hop.headers).filter(([name]) => !dropped(name)));
  return toGet ? { method: 'GET', url, headers, body: null } : { ...hop, url, headers };
}

/** Why a URL is not asked for, to follow "it" or "an address that"; null when nothing speaks against it. */
export function findUrlFault(url: URL): string | null {
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return 'starts with neither http:// nor https://';
  if (url.username !== '' || url.password !== '') return 'holds a user or a password';
  return null;
}

/** A URL as it may be shown: without its query, which often holds keys. */
export function showUrl(url: URL): string {
  const shown = `${url.origin}${url.pathname}`;
  return `${shown.length > 200 ? `${shown.slice(0, 200)}…` : shown}${url.search === '' ? '' : '?…'}`;
}
