import pg from 'pg';
import { addressOf, type DatabaseAddress } from './connection.ts';

/** The advisory lock that shows that a server lives: the database frees it in the moment its session ends. */
export interface ServerLock {
  /** Milliseconds (`performance.now()`) at which the session was last found lost; -Infinity if never. */
  lostAt(): number;
  release(): Promise<void>;
}

/**
 * Takes the lock on a connection of its own and holds it for life: a lost session is replaced, with jitter, until
 * `release`. TCP keepalives of one second let the database notice a vanished machine soon.
 */
export async function holdServerLock(options: {
  connection: DatabaseAddress;
  space: number;
  key: number;
  onError: (error: Error) => void;
}): Promise<ServerLock> {
  let client: pg.Client | null = null;
  let lost = Number.NEGATIVE_INFINITY;
  let released = false;
  let timer: NodeJS.Timeout | undefined;

  const onLost = (error: Error, from: pg.Client) => {
    if (client !== from || released) return;
    client = null;
    lost = performance.now();
    options.onError(error);
    takeSoon();
  };
  const takeSoon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => void takeAgain(), 100 + Math.random() * 300);
  };
  const takeAgain = async () => {
    if (released) return;
    try {
      client = await lockSession(options, onLost);
      if (released) await client.end();
    } catch {
      lost = performance.now();
      takeSoon();
    }
  };

  client = await lockSession(options, onLost);
  return {
    lostAt: () => lost,
    async release() {
      released = true;
      clearTimeout(timer);
      await client?.end().catch(() => undefined);
    },
  };
}

async function lockSession(
  options: { connection: DatabaseAddress; space: number; key: number },
  onLost: (error: Error, from: pg.Client) => void,
): Promise<pg.Client> {
  const client = new pg.Client({
    ...addressOf(options.connection),
    application_name: 'holdfast lock',
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  });
  client.on('error', (error) => onLost(error, client));
  client.on('end', () => onLost(new Error('the lock session ended'), client));
  try {
    await client.connect();
    await client.query(
      `select set_config('tcp_keepalives_idle', '1', false), set_config('tcp_keepalives_interval', '1', false),
         set_config('tcp_keepalives_count', '2', false)`,
    );
    // Our own former session may not have been noticed yet: wait for it, but not for ever.
    await client.query(`set statement_timeout = '5s'`);
    await client.query('select pg_advisory_lock($1::int4, $2::int4)', [options.space, options.key]);
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}
