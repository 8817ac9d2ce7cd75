import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { migrate } from '../../src/database/migrations.ts';
import { StartupError } from '../../src/database/startup-error.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { until } from '../support/embedded.ts';

let database: TestDatabase;
let folder: string;
beforeEach(async () => {
  database = await testDatabase({ empty: true });
  folder = mkdtempSync(join(tmpdir(), 'holdfast-migrations-'));
  write('0001_create_a.sql', 'create table a (n integer); create table a_too (n integer);');
});
afterEach(async () => {
  rmSync(folder, { recursive: true });
  await database.close();
});

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
const run = (options: object = {}) => migrate(database.url, { folder, ...options });
const exists = async (table: string) =>
  (await database.pool.query('select to_regclass($1) is not null as found', [table])).rows[0].found;

it('runs what has not run yet, in order, and nothing twice', async () => {
  write('schema.sql', 'this is no migration');
  expect(await run()).toEqual(['0001_create_a']);
  write('0002_fill_a.sql', 'insert into a values (1);');
  write('0003_widen_a.sql', 'alter table a alter n type bigint;');
  expect(await run()).toEqual(['0002_fill_a', '0003_widen_a']);
  expect(await run()).toEqual([]);
  expect((await database.pool.query('select n from a')).rows).toEqual([{ n: 1 }]);
});

it('runs each migration in a transaction of its own', async () => {
  write('0002_break.sql', 'create table b (); select 1 / 0;');
  await expect(run()).rejects.toThrow(/division by zero/);
  expect([await exists('a'), await exists('b')]).toEqual([true, false]);
});

it('lets many servers start at once', async () => {
  const ran = await Promise.all(Array.from({ length: 5 }, () => run()));
  expect(ran.flat()).toEqual(['0001_create_a']);
});

it('waits for a lock in short spells, so that it does not stand in the way of others', async () => {
  await run();
  write('0002_change_a.sql', 'alter table a add m integer;');
  const holder = await database.pool.connect();
  await holder.query('begin');
  await holder.query('lock table a in access share mode');
  await expect(run({ lockTimeoutMs: 50, attempts: 2 })).rejects.toThrow(/0002_change_a could not lock/);
  const migration = run({ lockTimeoutMs: 50, attempts: 100 });
  const spells = new Set<string>();
  await until(async () => {
    const { rows } = await database.pool.query(`select xact_start::text as since from pg_stat_activity
      where wait_event_type = 'Lock' and application_name = 'holdfast migrations'`);
    for (const { since } of rows) spells.add(since);
    return spells.size > 1;
  });
  await holder.query('commit');
  holder.release();
  expect(await migration).toEqual(['0002_change_a']);
});

it('does not start on a database that is newer, and says what to do', async () => {
  write('0002_newer.sql', 'create table newer ();');
  await run();
  rmSync(join(folder, '0002_newer.sql'));
  const error = await run().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(StartupError);
  expect((error as Error).message).toMatch(/0002_newer.*newest is 0001_create_a.*start the newer release/);
});

it('starts on a database that is newer where every newer migration is marked compatible', async () => {
  write('0002_newer.sql', '-- Adds a table.\n-- compatible: true\ncreate table newer ();');
  await run();
  rmSync(join(folder, '0002_newer.sql'));
  expect(await run()).toEqual([]);
  // And the newer server starts again as well.
  write('0002_newer.sql', '-- Adds a table.\n-- compatible: true\ncreate table newer ();');
  write('0003_newest.sql', 'create table newest ();\n-- compatible: true\n');
  expect(await run()).toEqual(['0003_newest']);
  rmSync(join(folder, '0003_newest.sql'));
  await expect(run()).rejects.toThrow(/0003_newest/);
});
