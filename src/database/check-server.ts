import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { addressOf, type DatabaseAddress } from './connection.ts';
import { StartupError } from './startup-error.ts';

const OLDEST_MAJOR = 15;

/**
 * Connects once and makes sure that the engine can stand on this database. Returns its version, such as 18.4.
 * Throws a StartupError when it cannot be reached, is too old, or hands out no sessions.
 */
export async function checkServer(connection: DatabaseAddress): Promise<{ version: string }> {
  const clients: pg.Client[] = [];
  const connect = async () => {
    const client = new pg.Client({
      ...addressOf(connection),
      connectionTimeoutMillis: 10_000,
      query_timeout: 5_000,
    });
    client.on('error', () => {});
    clients.push(client);
    await client.connect();
    return client;
  };
  try {
    const first = await connectWhenUp(connect);
    const version = await checkVersion(first);
    await checkSession(first, connect);
    return { version };
  } catch (error) {
    throw error instanceof StartupError ? error : unreachable(connection, error);
  } finally {
    // Not awaited for long: a pooler that withholds an answer may withhold the goodbye too.
    await Promise.all(clients.map((client) => Promise.race([client.end().catch(() => {}), pause(500)])));
  }
}

/**
 * A database that is only starting up, or recovering, is waited for: servers and databases often start
 * together.
 */
async function connectWhenUp(connect: () => Promise<pg.Client>): Promise<pg.Client> {
  const CANNOT_CONNECT_NOW = '57P03';
  const deadline = Date.now() + 30_000;
  for (;;) {
    try {
      return await connect();
    } catch (error) {
      if ((error as { code?: string }).code !== CANNOT_CONNECT_NOW || Date.now() > deadline) throw error;
      await pause(200);
    }
  }
}

async function checkVersion(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ version: string; number: string }>(
    `select current_setting('server_version') as version, current_setting('server_version_num') as number`,
  );
  const { version = '', number = '0' } = rows[0] ?? {};
  if (Math.floor(Number(number) / 10_000) < OLDEST_MAJOR) {
    throw new StartupError(
      `The database is PostgreSQL ${version}, and Holdfast needs ${OLDEST_MAJOR} or newer: point ` +
        'DATABASE_URL at one, or unset it to use the embedded one.',
    );
  }
  return version.split(' ')[0] ?? version;
}

/**
 * Holdfast keeps session locks and settings, which a pooler in transaction mode deals out to whoever comes
 * next. Seen from outside: a variable of one client's session turns up in the transaction of another, or is
 * gone while the other's transaction holds the real session.
 */
async function checkSession(first: pg.Client, connect: () => Promise<pg.Client>): Promise<void> {
  const mark = randomUUID();
  const read = async (client: pg.Client) => {
    const { rows } = await client.query<{ mark: string | null }>(
      `select current_setting('holdfast.session', true) as mark`,
    );
    return rows[0]?.mark;
  };
  await first.query(`select set_config('holdfast.session', $1, false)`, [mark]);
  // Several, since a pooler may deal its sessions out in turn.
  for (let others = 0; others < 3; others++) {
    const other = await connect();
    await other.query('begin');
    const seenByOther = await read(other);
    const kept = seenByOther === mark ? undefined : await read(first).catch(() => undefined);
    if (kept !== mark) throw new StartupError(NO_SESSION);
  }
}

const NO_SESSION =
  'DATABASE_URL leads to a connection pooler in transaction mode, which gives no lasting sessions: use its ' +
  "session mode (PgBouncer: pool_mode = session; hosted databases: the session pooler's port) or connect " +
  'to PostgreSQL directly.';

function unreachable(connection: DatabaseAddress, error: unknown): StartupError {
  const { code = '', message } = firstError(error);
  const where = describe(connection);
  const hint = HINTS[code] ?? 'check DATABASE_URL, or unset it to use the embedded PostgreSQL';
  return new StartupError(`Cannot use the database at ${where} (${message || code}): ${hint}.`);
}

const HINTS: Record<string, string> = {
  ECONNREFUSED: 'start that PostgreSQL, correct DATABASE_URL, or unset it to use the embedded one',
  ENOTFOUND: 'correct the host name in DATABASE_URL',
  '28P01': 'correct the user or the password in DATABASE_URL',
  '28000': 'let this user in (pg_hba.conf), or add ?sslmode=require to DATABASE_URL',
  '3D000': 'create that database, or name an existing one in DATABASE_URL',
  '53300': 'raise its max_connections, or close other connections',
};

/** A name with several addresses fails with one error for all of them. */
function firstError(error: unknown): { code?: string; message: string } {
  const inner = error instanceof AggregateError ? error.errors[0] : error;
  return inner as { code?: string; message: string };
}

/** Host, port and database, never the password. */
function describe(connection: DatabaseAddress): string {
  try {
    const { host, port, database } = new pg.Client(addressOf(connection));
    return `${host}:${port}/${database}`;
  } catch {
    return 'DATABASE_URL';
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
