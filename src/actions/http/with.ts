import { type Static, Type } from 'typebox';
import type { Problem } from '../../domain/errors.ts';
import type { Json } from '../../domain/json.ts';
import { LIMITS } from '../../domain/limits.ts';
import { pointerTo } from '../../domain/storable.ts';
import { findUrlFault } from '../../outbound/redirects.ts';
import { holdsExpression } from '../check-with.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

// Written as one list of types: of alternatives each would be told as an error of its own.
const headerValue = Type.Unsafe<string | number | boolean>({ type: ['string', 'number', 'boolean'] });
const scalar = ['string', 'number', 'boolean', 'null'];
const queryValue = Type.Unsafe<Scalar | Scalar[]>({ type: [...scalar, 'array'], items: { type: scalar } });

type Scalar = string | number | boolean | null;

export const httpWith = Type.Object(
  {
    url: Type.String({
      minLength: 1,
      description:
        'where to, starting with http:// or https://; values that vary are safest in `query`, which encodes them',
    }),
    method: Type.Optional(
      Type.Enum(METHODS, { default: 'GET', description: `one of ${METHODS.join(', ')}; GET by default` }),
    ),
    headers: Type.Optional(
      Type.Record(Type.String(), headerValue, {
        description: 'headers by name; the values are text, numbers or booleans',
      }),
    ),
    query: Type.Optional(
      Type.Record(Type.String(), queryValue, {
        description:
          "added to the url's own query, encoded; a list gives its name once for each value, null is left out",
      }),
    ),
    body: Type.Optional(
      Type.Unknown({
        description: 'text is sent as it is, any other JSON as application/json; null is no body',
      }),
    ),
    redirects: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: LIMITS.redirects,
        default: LIMITS.redirects,
        description: `how many redirects are followed, 0 to ${LIMITS.redirects}; with 0 the redirect is the output`,
      }),
    ),
  },
  { additionalProperties: false },
);

export type HttpWith = Static<typeof httpWith>;

/** A header's name, as HTTP defines it. */
const TOKEN = /^[!#$%&'*+.^_`|~\da-z-]+$/i;
/** What a header can carry: no control characters, so no line break, and no character past U+00FF. */
const HEADER_TEXT = /^[\t\x20-\x7e\x80-\xff]*$/;
/** What belongs to the connection or follows from the rest, with what to do instead. */
const FORBIDDEN: ReadonlyMap<string, string> = new Map([
  ['host', 'it follows from `url`'],
  ['content-length', 'it follows from `body`'],
  ...[
    'transfer-encoding',
    'connection',
    'keep-alive',
    'proxy-connection',
    'te',
    'trailer',
    'upgrade',
    'expect',
  ].map((name): [string, string] => [name, 'it belongs to the connection, which Holdfast looks after']),
]);

/** What is wrong with a `with` beyond its schema, in so far as it is literal: a rendered one is that as a whole. */
export function checkLiterals(
  with_: Json,
  pointer: string,
  isLiteral = (text: string) => !holdsExpression(text),
): Problem[] {
  if (with_ === null || typeof with_ !== 'object' || Array.isArray(with_)) return [];
  const { url, headers } = with_;
  return [
    ...(typeof url === 'string' ? checkUrl(url, `${pointer}/url`, isLiteral(url)) : []),
    ...(headers !== null && typeof headers === 'object' && !Array.isArray(headers)
      ? checkHeaders(headers, `${pointer}/headers`, isLiteral)
      : []),
    ...checkBody(with_, `${pointer}/body`),
  ];
}

function checkUrl(text: string, pointer: string, literal: boolean): Problem[] {
  // That it is empty is said already.
  if (text === '') return [];
  const fault = literal ? faultOf(text) : faultOfStart(text);
  if (fault === null) return [];
  return [{ pointer, code: 'invalid_url', detail: `\`url\` ${fault}` }];
}

function faultOf(text: string): string | null {
  if (!URL.canParse(text)) {
    const hint = /^[\w.-]+(:\d+)?(\/|$)/.test(text) ? `; did you mean http://${text.slice(0, 100)}?` : '';
    return `is no URL; write one like https://api.example/rows${hint}`;
  }
  const fault = findUrlFault(new URL(text));
  if (fault === null) return null;
  if (!fault.includes('password')) return `${fault}; only these can be asked`;
  return `${fault}; send them in \`headers\`: {"authorization": "Basic <base64 of user:password>"}`;
}

/** Of a URL with expressions, what stands before the first one may already be wrong. */
function faultOfStart(text: string): string | null {
  const [start = ''] = text.split('$' + '{{');
  const scheme = /^([a-z][a-z\d+.-]*):/i.exec(start)?.[1]?.toLowerCase();
  // Without slashes it is a name with a port.
  if (scheme === undefined || !start.includes('://') || scheme === 'http' || scheme === 'https') return null;
  return 'starts with neither http:// nor https://; only these can be asked';
}

function checkHeaders(
  headers: Record<string, Json>,
  pointer: string,
  isLiteral: (text: string) => boolean,
): Problem[] {
  const seen = new Set<string>();
  return Object.entries(headers).flatMap(([name, value]) => {
    const lower = name.toLowerCase();
    const twice = seen.has(lower);
    seen.add(lower);
    const shown = JSON.stringify(name.slice(0, 100));
    const problem = (code: string, detail: string) => [
      { pointer: pointerTo(pointer, name), code, detail: `\`headers\`: ${shown} ${detail}` },
    ];
    if (!TOKEN.test(name))
      return problem('invalid_name', "is not a header's name; use letters, digits and -");
    const instead = FORBIDDEN.get(lower);
    if (instead !== undefined) return problem('reserved_name', `cannot be set: ${instead}`);
    if (twice) return problem('duplicate_name', 'is given twice; upper and lower case make no difference');
    if (typeof value === 'string' && isLiteral(value) && !HEADER_TEXT.test(value)) {
      return problem('invalid_value', 'holds a line break or a character that headers cannot carry');
    }
    return [];
  });
}

function checkBody(with_: Record<string, Json>, pointer: string): Problem[] {
  const { body, method = 'GET' } = with_;
  if (body === undefined || body === null || (method !== 'GET' && method !== 'HEAD')) return [];
  const detail = `\`body\` cannot be sent by ${method}; add \`method\`: "POST", or another that carries one`;
  return [{ pointer, code: 'body_not_allowed', detail }];
}

/** The URL with its query. Values are encoded; what the URL has already stays as it is written. */
export function buildUrl({ url, query = {} }: HttpWith): URL {
  const built = new URL(url);
  const added = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const item of [value].flat()) if (item !== null) added.append(name, String(item));
  }
  const parts = [built.search.slice(1), added.toString()].filter((part) => part !== '');
  built.search = parts.join('&');
  return built;
}

/** The body as it is sent, and its type where the headers name none. */
export function buildBody({ body }: HttpWith): { body: string | null; type: string | null } {
  if (body === undefined || body === null) return { body: null, type: null };
  if (typeof body === 'string') return { body, type: 'text/plain; charset=utf-8' };
  return { body: JSON.stringify(body), type: 'application/json' };
}
