import { afterAll, beforeAll, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

it('gives each caller a migrated, empty database of its own', async () => {
  const other = await testDatabase();
  expect(await database.db.selectFrom('job').selectAll().execute()).toEqual([]);
  await other.pool.query('create table only_here ()');
  const { rows } = await database.pool.query(`select to_regclass('only_here') as found`);
  expect(rows).toEqual([{ found: null }]);
  await other.close();
});
