import { stringify as stringifyToml } from 'smol-toml';
import { stringify as stringifyYaml } from 'yaml';
import type { Operation, Parameter } from './document.ts';
import { anyJson, fromSchema, instant, type Source } from './from-schema.ts';
import { mutate } from './mutate.ts';
import { createChance } from './random.ts';
import { asBytes, type Level, type Parts, type Shot } from './shot.ts';
import { strangeText } from './strange.ts';
import { breakWire } from './wire-faults.ts';
import { writeJson } from './written.ts';

/** How often each call is drawn; once when not named. More of what brings about states that others need. */
const WEIGHTS: Record<string, number> = {
  submitJob: 8,
  submitBatch: 2,
  registerWorker: 2,
  claimSteps: 6,
  completeClaim: 3,
  failClaim: 2,
  releaseClaim: 2,
  extendClaim: 2,
  appendLog: 3,
  settleClaims: 3,
  sendHeartbeat: 2,
  getJob: 3,
  drainWorker: 0.5,
  removeWorker: 0.5,
  getMetrics: 0.3,
};

const LEVELS: Record<Level, number> = { valid: 5, nearly: 4, wire: 2 };
const OPEN = ['scheduled', 'queued', 'running', 'paused'];
const OVER = ['succeeded', 'failed', 'cancelled'];
/** Jobs in which status a call is about, where it can choose. */
const ABOUT: Record<string, string[]> = {
  deleteJob: OVER,
  retryJob: ['failed', 'cancelled'],
  cancelJob: OPEN,
  pauseJob: OPEN,
  resumeJob: ['paused', 'scheduled'],
};
const NOBODY = '019aa0c0-7a2e-7c3f-9d1b-2f6f5d3c1a1f';

/** Request `number` of a run: of the seed, the number, and what the pool holds by then. */
export function makeShot(
  seed: number,
  number: number,
  source: Omit<Source, 'chance'> & { port: number },
  only?: { operations: readonly string[]; levels: readonly Level[] },
): Shot {
  const chance = createChance(seed, number);
  const from: Source = { ...source, chance };
  const level = only === undefined ? chance.weighed(LEVELS) : chance.pick(only.levels);
  const operations = source.described.operations;
  const ids = only?.operations ?? operations.map(({ id }) => id);
  const id = chance.weighed(Object.fromEntries(ids.map((one) => [one, WEIGHTS[one] ?? 1])));
  const operation = operations.find((one) => one.id === id) as Operation;
  const { parts, json, key, text } = validParts(operation, from, source.port);
  const plain = { ...parts, number, level, what: 'as described', way: 'kept', pieces: 1 } as const;
  const rest = { halfClose: false, maySilence: false, refused: null, ...(key ? { key, text } : {}) } as const;
  const shot: Shot = { ...plain, ...rest, bytes: asBytes(parts), waits: false };
  if (level === 'nearly') nearly(shot, json, from);
  if (level === 'wire') breakWire(shot, chance);
  shot.waits = /wait/i.test(shot.bytes.toString('latin1'));
  return shot;
}

function validParts(operation: Operation, source: Source, port: number) {
  const { chance, pool } = source;
  const headers: [string, string][] = [['Host', `127.0.0.1:${port}`]];
  const query: string[] = [];
  const path = pathOf(operation, source);
  for (const parameter of operation.parameters) {
    if (parameter.in === 'path' || (!parameter.required && chance.is(0.7))) continue;
    const value = parameterValue(parameter, path, source);
    if (value === undefined) continue;
    if (parameter.in === 'header') headers.push([parameter.name, String(value)]);
    else for (const one of [value].flat()) query.push(`${parameter.name}=${encodeURIComponent(String(one))}`);
  }
  const { body, json } = bodyOf(operation, source, headers);
  const parts: Parts = {
    ...{ operation, method: operation.method, headers, body },
    target: query.length === 0 ? path : `${path}?${query.join('&')}`,
  };
  const key = headers.find(([name]) => name === 'Idempotency-Key')?.[1];
  if (key === undefined) return { parts, json };
  const before = pool.key(chance);
  if (before !== undefined && before.key === key && chance.is(0.6)) parts.body = Buffer.from(before.body);
  return { parts, json, key, text: parts.body?.toString() ?? '' };
}

function pathOf({ id, path }: Operation, { chance, pool }: Source): string {
  const isUnknown = chance.is(0.05);
  if (path.startsWith('/v1/claims/'))
    return path.replace('{id}', (isUnknown ? null : pool.claim(chance)) ?? 'nobody');
  if (path.startsWith('/v1/workers/'))
    return path.replace('{id}', (isUnknown ? null : pool.worker(chance)?.id) ?? NOBODY);
  if (path.includes('{name}')) {
    const step = pool.step(chance);
    return path
      .replace('{id}', step?.job ?? NOBODY)
      .replace('{name}', isUnknown ? 'nobody' : (step?.name ?? 'main'));
  }
  return path.replace('{id}', (isUnknown ? null : pool.job(chance, ABOUT[id])) ?? NOBODY);
}

function parameterValue({ name, schema }: Parameter, path: string, source: Source): unknown {
  const { chance, pool } = source;
  if (name === 'wait') return chance.pick(['0s', '1ms', '100ms', '300ms', '0']);
  if (name === 'cursor') return pool.cursor(chance, path);
  if (name === 'label') return chance.pick([['k1:hello'], ['team:data'], ['k0:hello', 'k1:hello'], ['k2:']]);
  if (name === 'name') return chance.pick(['hello', 'nightly report', 'zß水🍌']);
  if (name.startsWith('created_')) return instant(chance);
  if (name === 'attempt') return chance.pick([1, 1, 2]);
  if (name === 'offset')
    return pool.logEnd(path.split('/')[3] ?? '') ?? chance.pick([0, 0, 3, 2_147_483_647]);
  if (name === 'days') return chance.pick([1, 7, 3650]);
  if (name === 'If-None-Match') return pool.etag(chance, path) ?? chance.pick(['W/"1"', '*', '"a", W/"2"']);
  if (name === 'Prefer')
    return chance.pick(['wait=0', 'respond-async, wait=1', 'wait=1; foo="bar"', 'return=minimal']);
  if (name === 'Idempotency-Key')
    return (chance.is(0.4) ? pool.key(chance)?.key : null) ?? `key-${chance.word(12)}`;
  if (name === 'Traceparent')
    return chance.pick([`00-${'4b'.repeat(16)}-${'0f'.repeat(8)}-01`, 'unreadable']);
  return fromSchema(schema, name, source);
}

function bodyOf({ body }: Operation, source: Source, headers: [string, string][]) {
  const { chance } = source;
  if (body === null || (!body.required && chance.is(0.2))) return { body: null, json: undefined };
  const types = Object.keys(body.content);
  const type = types.length > 1 && chance.is(0.3) ? chance.pick(types) : (types[0] as string);
  headers.push(['Content-Type', chance.is(0.1) ? `${type}; charset=utf-8` : type]);
  if (type.startsWith('text/') || type.endsWith('octet-stream')) {
    const text = chance.pick(['a line\n', 'ünï\n'.repeat(50), '\u0000\u001b[31mred\n', anyJson(chance, 1)]);
    return { body: Buffer.from(String(text)), json: undefined };
  }
  // The document describes the other formats by the JSON that they stand for.
  const { schema } = body.content['application/json'] as { schema: object };
  const json = fromSchema(schema, '', source);
  return { body: Buffer.from(writeAs(type, json) ?? writeJson(json)), json };
}

/** A body in a format; null when the format cannot say it. */
function writeAs(type: string, json: unknown): string | null {
  try {
    if (type.endsWith('yaml')) return stringifyYaml(json, { aliasDuplicateObjects: false });
    return type.endsWith('toml') ? stringifyToml(withoutNull(json)) : writeJson(json);
  } catch {
    return null;
  }
}

// TOML has no null.
function withoutNull(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_key, member) => (member === null ? 'null' : member));
}

function nearly(shot: Shot, json: unknown, { chance, described }: Source): void {
  if (json !== undefined && chance.is(0.75)) {
    const type = String(shot.headers.find(([name]) => name === 'Content-Type')?.[1]);
    const odd = mutate(json, chance);
    const isJson = type.startsWith('application/json');
    shot.what = 'a body with one thing odd';
    const text = (isJson ? null : writeAs(type, odd)) ?? writeJson(odd);
    shot.body = Buffer.from(text);
    // What JSON.parse takes otherwise than we do, such as the second of two members, the document cannot judge.
    const plain = isJson && readsBack(text) ? JSON.parse(text) : undefined;
    if (plain !== undefined && !described.takes(shot.operation, plain)) shot.refused = true;
  } else oddHead(shot, chance);
  shot.bytes = asBytes(shot);
}

function readsBack(text: string): boolean {
  try {
    return JSON.stringify(JSON.parse(text)) === text;
  } catch {
    return false;
  }
}

function oddHead(shot: Shot, chance: Source['chance']): void {
  const odd = encodeURIComponent(strangeText(chance).toWellFormed().slice(0, 2_000));
  const [path = '', query = ''] = shot.target.split('?');
  const parts = path.split('/');
  const parameters = shot.operation.parameters.filter((one) => one.in === 'query');
  const kind = chance.weighed({ part: 3, query: 4, unknown: 1, twice: 1, header: 3 });
  shot.what = `an odd ${kind} in the head`;
  if (kind === 'part') shot.target = parts.with(chance.below(parts.length - 1) + 1, odd).join('/');
  if (kind === 'query' && parameters.length > 0)
    shot.target = `${path}?${chance.pick(parameters).name}=${odd}${query ? `&${query}` : ''}`;
  if (kind === 'unknown') shot.target = `${path}?${odd || 'x'}=1`;
  if (kind === 'twice') shot.target = `${path}?${query || 'limit=1'}&${query || 'limit=1'}`;
  if (kind !== 'header') return;
  const value = strangeText(chance)
    .replaceAll(/[^\t -~\u0080-\u00ff]/g, '?')
    .slice(0, 3_000);
  const names = [
    'If-None-Match',
    'Prefer',
    'Idempotency-Key',
    'Traceparent',
    'Accept',
    'X-Request-Id',
    'Range',
  ];
  shot.headers.push([chance.pick(names), value.trim()]);
}
