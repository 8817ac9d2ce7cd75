import { expect, it } from 'vitest';
import { session } from '../engine/work.ts';
import { testApi } from '../support/api.ts';

it('says that a database cannot be written, and goes on by itself when it can again', async () => {
  const api = await testApi();
  const submit = () => api.call('POST', '/v1/jobs', { body: { name: 'x', uses: 'value' } });
  const operator = await session(api.database.url);
  const close = (state: 'on' | 'off') =>
    operator.query(`do $$ begin execute format('alter database %I set default_transaction_read_only = ${state}',
      current_database()); end $$`);
  await close('on');
  // What was opened before may still write; every session from now on may not.
  await operator.query(`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`);
  await expect.poll(async () => (await submit()).json.code, { timeout: 10_000 }).toBe('database_unavailable');
  await expect.poll(async () => (await api.call('GET', '/readyz')).status, { timeout: 10_000 }).toBe(503);
  expect((await api.call('GET', '/health')).json.checks.database).toEqual({
    ok: false,
    detail: 'it answers, but cannot be written',
  });
  await close('off');
  await operator.end();
  await expect.poll(async () => (await submit()).status, { timeout: 15_000 }).toBe(202);
  await expect.poll(async () => (await api.call('GET', '/readyz')).status, { timeout: 10_000 }).toBe(200);
  await api.close();
});
