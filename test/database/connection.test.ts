import { createServer } from 'node:net';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkServer } from '../../src/database/check-server.ts';
import { createDatabase, createPool } from '../../src/database/connection.ts';
import { StartupError } from '../../src/database/startup-error.ts';
import type { Tx } from '../../src/database/store.ts';
import { inTransaction } from '../../src/database/transaction.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { until } from '../support/embedded.ts';
import { withDatabase } from '../support/server.ts';
import { startTransactionPooler } from '../support/transaction-pooler.ts';
import { startWireProxy } from '../support/wire-proxy.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

const refusalOf = (url: string) =>
  checkServer(url).then(
    () => undefined,
    (error: Error) => {
      expect(error).toBeInstanceOf(StartupError);
      return error.message;
    },
  );

it('gives every connection the timeouts of the engine', async () => {
  const settings = ['lock_timeout', 'idle_in_transaction_session_timeout', 'statement_timeout'];
  const { rows } = await database.pool.query('select current_setting(unnest($1::text[])) as value', [
    settings,
  ]);
  expect(rows.map((row) => row.value)).toEqual(['2s', '2s', '30s']);
});

it('reads bigint as a number', async () => {
  const { rows } = await database.pool.query('select 9007199254740991::int8 as n, count(*) as c from job');
  expect(rows).toEqual([{ n: Number.MAX_SAFE_INTEGER, c: 0 }]);
});

it('survives the loss of an idle connection', async () => {
  const errors: Error[] = [];
  const onError = (error: Error) => errors.push(error);
  const pool = createPool({ connection: database.url, max: 1, applicationName: 'holdfast doomed', onError });
  await pool.query('select 1');
  await database.pool.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'holdfast doomed'`,
  );
  await until(() => errors.length > 0);
  expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
  await pool.end();
});

/** Ends the connection of a transaction, and waits until its driver has heard of it. */
async function cut(tx: Tx): Promise<void> {
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx);
  const [pid] = rows.map((row) => row.pid);
  await database.pool.query('select pg_terminate_backend($1)', [pid]);
  const alive = () => database.pool.query('select 1 from pg_stat_activity where pid = $1', [pid]);
  await until(async () => (await alive()).rowCount === 0);
}

it('runs a transaction again whose connection was cut between two of its statements', async () => {
  let tries = 0;
  const result = await inTransaction(database.db, async (tx) => {
    tries += 1;
    if (tries === 1) await cut(tx);
    return (await sql<{ n: number }>`select 1 as n`.execute(tx)).rows;
  });
  expect([result, tries]).toEqual([[{ n: 1 }], 2]);
});

it('does not run a transaction again whose end nobody knows', async () => {
  let tries = 0;
  const running = inTransaction(database.db, async (tx) => {
    tries += 1;
    await cut(tx);
  });
  await expect(running).rejects.toThrow();
  expect(tries).toBe(1);
});

it('gives up a connection that takes a statement and never answers, and opens another one', async () => {
  const proxy = await startWireProxy(database.url);
  const pool = createPool({
    connection: proxy.url,
    max: 1,
    applicationName: 'holdfast test',
    timeouts: { statement: 100 },
    silenceMs: 900,
  });
  const db = createDatabase(pool);
  await sql`select 1`.execute(db);
  proxy.freeze();
  await expect(sql`select 1`.execute(db)).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  expect((await sql`select 1 as n`.execute(db)).rows).toEqual([{ n: 1 }]);
  await db.destroy();
  proxy.close();
});

it('does not run a transaction again whose COMMIT was never answered', async () => {
  const proxy = await startWireProxy(database.url);
  const pool = createPool({
    connection: proxy.url,
    max: 1,
    applicationName: 'holdfast test',
    timeouts: { statement: 100 },
    silenceMs: 900,
  });
  const db = createDatabase(pool);
  let tries = 0;
  const running = inTransaction(db, async (tx) => {
    tries += 1;
    await sql`select 1`.execute(tx);
    proxy.freeze();
  });
  await expect(running).rejects.toThrow();
  expect(tries).toBe(1);
  await db.destroy();
  proxy.close();
});

it('accepts a PostgreSQL that gives sessions, and says its version', async () => {
  expect((await checkServer(database.url)).version).toMatch(/^1[5-9]/);
});

it('refuses a pooler in transaction mode and names the session mode', async () => {
  const pooler = await startTransactionPooler(database.url);
  expect(await refusalOf(pooler.url)).toMatch(/transaction mode.*session mode/);
  await pooler.close();
});

it('says in one line what is wrong with an address, without its password', async () => {
  const closed = await closedPort();
  const refused = await refusalOf(`postgres://me:secret@127.0.0.1:${closed}/mine`);
  expect(refused).toContain(`127.0.0.1:${closed}/mine`);
  expect(refused).toContain('ECONNREFUSED');
  expect(refused).not.toMatch(/secret|\n/);
  expect(await refusalOf(withDatabase(database.url, 'no_such_database'))).toMatch(/create that database/);
});

/** A port of loopback that nobody listens on. */
function closedPort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
