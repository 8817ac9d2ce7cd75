import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Action } from '../../src/actions/action.ts';
import { value } from '../../src/actions/value.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { startDispatch } from '../../src/scheduler/dispatch.ts';
import { testDatabase } from '../support/database.ts';
import { until } from '../support/embedded.ts';
import { submitGraph } from './work.ts';

let database: Awaited<ReturnType<typeof testDatabase>>;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

it('shows what a running step reports of its progress, on the step and in the job, and moves the version', async () => {
  const store = { db: database.db, wakeUps: createWakeUps() };
  let report: (fraction: number) => void = () => {};
  let finish: () => void = () => {};
  let started = 0;
  const slow: Action = {
    ...value,
    instant: false,
    run: async (_with, context) => {
      report = context.progress;
      await new Promise<void>((resolve) => {
        finish = resolve;
        started += 1;
      });
      return { kind: 'succeeded', output: null };
    },
  };
  const id = await submitGraph(store, { a: [], b: ['a'] });
  const dispatch = startDispatch({
    store,
    vital: store,
    catalogue: new Map([['value', slow]]),
    settings: { workerId: '00000000-0000-7000-8000-000000000001', slots: 1, queues: null, claimTtlMs: 3000 },
    log: pino({ level: 'silent' }),
  });
  const job = () => database.db.selectFrom('job').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  const step = () =>
    database.db
      .selectFrom('step')
      .selectAll()
      .where('job_id', '=', id)
      .where('ordinal', '=', 0)
      .executeTakeFirstOrThrow();

  await until(() => started === 1);
  const { version } = await job();
  report(0.5);
  await until(async () => (await step()).progress === 0.5);
  expect(await job()).toMatchObject({ progress: 0.25, running_progress: 0.5, version: version + 1 });
  expect((await step()).version).toBe(version + 1);

  report(7);
  await until(async () => (await step()).progress === 1);
  expect((await job()).progress).toBe(0.5);
  finish();
  await until(async () => (await step()).status === 'succeeded');
  expect(await step()).toMatchObject({ progress: null });
  expect(await job()).toMatchObject({ running_progress: 0, progress: 0.5 });
  await until(() => started === 2);
  finish();
  await until(async () => (await job()).status === 'succeeded');
  await dispatch.stop(1000);
});
