import type { Chance } from './random.ts';

// biome-ignore lint/suspicious/noExplicitAny: answers are looked through for whatever they hold
type Anything = any;

interface KnownWorker {
  id: string;
  uses: string[];
  kind: string;
  status: string;
}

/** What the run itself made, so that later requests reach what only earlier ones can bring about. */
export interface Pool {
  /** Id of a job, in one of these statuses where there is one; undefined while there is none at all. */
  job(chance: Chance, statuses?: readonly string[]): string | undefined;
  step(chance: Chance): { job: string; name: string } | undefined;
  worker(chance: Chance): KnownWorker | undefined;
  /** A claim: mostly one that nobody ended. */
  claim(chance: Chance): string | undefined;
  etag(chance: Chance, path: string): string | undefined;
  cursor(chance: Chance, path: string): string | undefined;
  /** A key that was used before, with the body that it was used with. */
  key(chance: Chance): { key: string; body: string } | undefined;
  logEnd(claim: string): number | undefined;
  remember(asked: { method: string; path: string; key?: string; body?: string }, answer: PoolAnswer): void;
}

interface PoolAnswer {
  status: number;
  headers: Record<string, string | undefined>;
  json: Anything;
}

const MOST = 400;

/** A map that forgets the oldest, so that a long run stays as small as a short one. */
function recent<Value>(): Map<string, Value> & { put(key: string, value: Value): void } {
  const map = new Map<string, Value>() as Map<string, Value> & { put(key: string, value: Value): void };
  map.put = (key, value) => {
    map.delete(key);
    map.set(key, value);
    if (map.size > MOST) map.delete(map.keys().next().value as string);
  };
  return map;
}

export function createPool(): Pool {
  const jobs = recent<string>();
  const steps = recent<{ job: string; name: string }>();
  const workers = recent<KnownWorker>();
  const claims = recent<'open' | 'ended'>();
  const etags = recent<string>();
  const cursors = recent<string>();
  const keys = recent<{ key: string; body: string }>();
  const logEnds = recent<number>();
  /** The pool of the server itself, about which most calls are refused: rare among so many workers. */
  let server: KnownWorker | undefined;

  const some = <Value>(chance: Chance, map: Map<string, Value>): [string, Value] | undefined =>
    map.size === 0 ? undefined : chance.pick([...map]);

  function look(value: Anything, path: string): void {
    if (Array.isArray(value)) {
      for (const one of value.slice(0, 30)) look(one, path);
      return;
    }
    if (typeof value !== 'object' || value === null) return;
    const { id } = value;
    if (typeof id === 'string' && 'estimated_remaining_ms' in value) jobs.put(id, value.status);
    if (typeof id === 'string' && 'last_seen_at' in value) {
      if (value.kind === 'server') server = value;
      else workers.put(id, value);
    }
    if (typeof id === 'string' && 'expires_in_ms' in value) claims.put(id, isOver(value) ? 'ended' : 'open');
    if (typeof value.worker_id === 'string') workers.delete(value.worker_id);
    const job = /^\/v1\/jobs\/([0-9a-f-]{36})/.exec(path)?.[1];
    if (job !== undefined && typeof value.name === 'string' && 'max_attempts' in value)
      steps.put(`${job} ${value.name}`, { job, name: value.name });
    for (const part of [value.data, value.claims, value.steps]) if (part !== undefined) look(part, path);
  }

  return {
    job: (chance, statuses) => {
      const wanted =
        statuses === undefined ? [] : [...jobs].filter(([, status]) => statuses.includes(status));
      return wanted.length > 0 && chance.is(0.75) ? chance.pick(wanted)[0] : some(chance, jobs)?.[0];
    },
    step: (chance) => some(chance, steps)?.[1],
    worker: (chance) => {
      if (server !== undefined && chance.is(0.02)) return server;
      const live = [...workers.values()].filter(({ kind, status }) => kind === 'remote' && status === 'live');
      return live.length > 0 && chance.is(0.9) ? chance.pick(live) : some(chance, workers)?.[1];
    },
    claim: (chance) => {
      const open = [...claims].filter(([, state]) => state === 'open').slice(-40);
      return open.length > 0 && chance.is(0.8) ? chance.pick(open)[0] : some(chance, claims)?.[0];
    },
    etag: (_chance, path) => etags.get(path),
    cursor: (_chance, path) => cursors.get(path),
    key: (chance) => some(chance, keys)?.[1],
    logEnd: (claim) => logEnds.get(claim),
    remember: ({ method, path, key, body }, { status, headers, json }) => {
      if (status >= 400 && status !== 404 && status !== 409) return;
      const bare = path.split('?')[0] as string;
      const claim = /^\/v1\/claims\/([^/]+)\/(\w+)/.exec(bare);
      if (claim?.[2] === 'log' && status === 200) logEnds.put(claim[1] as string, json?.next_offset ?? 0);
      else if (claim !== null && claim[2] !== 'extend') claims.put(claim[1] as string, 'ended');
      if (status >= 400) return;
      look(json, bare);
      if (method === 'GET' && headers.etag !== undefined) etags.put(bare, headers.etag);
      if (typeof json?.next_cursor === 'string') cursors.put(bare, json.next_cursor);
      if (key !== undefined && body !== undefined) keys.put(key, { key, body });
    },
  };
}

function isOver({ action = 'continue' }: { action?: string }): boolean {
  return action !== 'continue';
}
