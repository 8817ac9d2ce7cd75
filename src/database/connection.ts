import type { Socket } from 'node:net';
import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { LanePool } from './gate.ts';
import { sqlState } from './sql-state.ts';
import type { Tables } from './tables.ts';

/** Where the database is: a URL from the operator, or the parts that the embedded server gives. */
export type DatabaseAddress =
  | string
  | { host: string; port: number; user: string; password: string; database: string };

export type PoolSettings = {
  connection: DatabaseAddress;
  /** Most connections open at once. */
  max: number;
  /** So many stay open also when nobody uses them; 0 when absent. */
  min?: number;
  /** Shown in pg_stat_activity. */
  applicationName: string;
  /** Told when an idle connection breaks; the pool replaces it by itself. */
  onError?: (error: Error) => void;
  /** Overrides of the session's timeouts, in milliseconds; 0 switches one off. */
  timeouts?: Partial<SessionTimeouts>;
  /** How long after its time a statement may be without an answer before its connection is given up, in ms. */
  silenceMs?: number;
};

export type SessionTimeouts = { lock: number; idleInTransaction: number; statement: number };

// Short, because a transaction that waits or sleeps holds a job that others need; such errors are retried.
const ENGINE_TIMEOUTS: SessionTimeouts = { lock: 2_000, idleInTransaction: 2_000, statement: 30_000 };

// The database itself ends a statement that takes too long, and says so. Whoever says nothing for so much longer is not
// there any more, or the way to it is cut without a word.
const SILENCE_MS = 5_000;

const INT8 = 20;
const READ_ONLY = '25006';

// bigint columns here are counters and byte offsets, far below 2^53; the driver's strings would only be cast.
// Kept on the pool instead of in the driver's global table, so that importing this file changes nothing else.
const typeParsers: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === INT8 && format !== 'binary' ? Number : pg.types.getTypeParser(oid, format as 'text'),
};

/**
 * A pool of connections. Every new connection sets the session's timeouts before its first use: one round
 * trip a connection, none a checkout. A SET, because poolers refuse such settings as startup parameters.
 */
export function createPool(settings: PoolSettings): pg.Pool {
  const { silenceMs = SILENCE_MS } = settings;
  const timeouts = { ...ENGINE_TIMEOUTS, ...settings.timeouts };
  // A session that was opened while the database could not be written may stay so when that is over.
  const readOnly = new WeakSet<pg.ClientBase>();
  const pool = new pg.Pool({
    ...addressOf(settings.connection),
    max: settings.max,
    min: settings.min ?? 0,
    application_name: settings.applicationName,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: typeParsers,
    onConnect: (client) => {
      // The pool listens to idle connections alone: the loss of one that is lent out would end the process. Whoever
      // has it learns of the loss by the statement that fails.
      client.on('error', () => {});
      prepareStatements(client, () => readOnly.add(client));
      const longest = timeouts.statement === 0 ? 0 : timeouts.statement + silenceMs;
      let isSet = false;
      giveUpSilent(client, () => (isSet ? longest : silenceMs));
      return setUpSession(client, timeouts).then(() => {
        isSet = true;
      });
    },
  });
  // Without a listener the loss of an idle connection ends the process.
  pool.on('error', (error) => settings.onError?.(error));
  pool.on('release', (_error, client) => {
    if (readOnly.has(client)) void (client as unknown as pg.Client).end().catch(() => {});
  });
  return pool;
}

/** How many connections a pool has open, how many of them nobody uses, how many callers wait for one, and its most. */
export function poolFigures(pool: pg.Pool): { total: number; idle: number; waiting: number; max: number } {
  const { totalCount, idleCount, waitingCount, options } = pool;
  return { total: totalCount, idle: idleCount, waiting: waitingCount, max: options.max };
}

/** The query builder over a pool, or over a lane of one; `destroy()` ends the pool. */
export function createDatabase(pool: pg.Pool | LanePool): Kysely<Tables> {
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}

/** What `pg` wants for an address, for a pool or a single client. */
export function addressOf(connection: DatabaseAddress): pg.ConnectionConfig {
  return typeof connection === 'string' ? { connectionString: connection } : { ...connection };
}

// Statements are pinned to their indexes by how they are written, so a plan for any parameters is as good as one for these.
// Left to itself the database plans most of them anew each time, which takes twice as long as running them.
async function setUpSession(client: pg.ClientBase, timeouts: SessionTimeouts): Promise<void> {
  await client.query(
    `select set_config('lock_timeout', $1, false),
            set_config('idle_in_transaction_session_timeout', $2, false),
            set_config('statement_timeout', $3, false),
            set_config('plan_cache_mode', 'force_generic_plan', false)`,
    [timeouts.lock, timeouts.idleInTransaction, timeouts.statement].map(String),
  );
}

// The engine's statements are few and long: planning them costs more than running them on a few rows. A statement
// that is not among the first ones seen goes unnamed, so that a session never holds more than this.
const MOST_PREPARED = 500;
const names = new Map<string, string>();

function nameOf(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined || names.size >= MOST_PREPARED) return known;
  const name = `holdfast_${names.size}`;
  names.set(text, name);
  return name;
}

/**
 * Lets the client prepare each statement with parameters once a session; neither Kysely nor the driver does so. Told by
 * each refusal to write when the session is read-only.
 */
function prepareStatements(client: pg.ClientBase, onReadOnly: () => void): void {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const watched = (result: unknown) => {
    if (result instanceof Promise)
      result.catch((error) => {
        if (sqlState(error) === READ_ONLY) onReadOnly();
      });
    return result;
  };
  const prepared = (text: unknown, values: unknown, ...rest: unknown[]) => {
    const name =
      typeof text === 'string' && Array.isArray(values) && values.length > 0 ? nameOf(text) : undefined;
    return watched(
      name === undefined ? query(text, values, ...rest) : query({ name, text, values }, ...rest),
    );
  };
  client.query = prepared as typeof client.query;
}

/**
 * Cuts the connection when a statement is not answered in time (ms; 0: never): the statement fails, and the pool drops
 * the connection. The driver's own `query_timeout` fails the statement alone, and leaves the connection to the next one,
 * which then waits behind it for ever. What became of the statement nobody knows: of a COMMIT as little as when the
 * connection is lost.
 */
function giveUpSilent(client: pg.ClientBase, patience: () => number): void {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
  const watched = (...args: unknown[]) => {
    const result = query(...args);
    const ms = patience();
    if (ms === 0 || !(result instanceof Promise)) return result;
    let answered = false;
    // An answer that came while this process had no turn is read first.
    const timer = setTimeout(() => setImmediate(() => answered || stream.destroy(silent(ms))), ms);
    return result.finally(() => {
      answered = true;
      clearTimeout(timer);
    });
  };
  client.query = watched as typeof client.query;
}

function silent(ms: number): Error {
  return Object.assign(new Error(`the database gave no answer within ${ms / 1000} s`), { code: 'ETIMEDOUT' });
}
