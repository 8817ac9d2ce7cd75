import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dumpSchema } from '../../src/database/schema-dump.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

it('keeps migrations/schema.sql equal to what the migrations make (`npm run db:schema`)', async () => {
  const written = await readFile(new URL('../../migrations/schema.sql', import.meta.url), 'utf8');
  expect(written.replace(/^--.*\n\n/, '')).toBe(await dumpSchema(database.db));
});

it('writes SQL that makes the same schema again', async () => {
  const before = await dumpSchema(database.db);
  await database.pool.query('drop schema public cascade; create schema public');
  await database.pool.query(before);
  expect(await dumpSchema(database.db)).toBe(before);
});
