import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Action } from '../../src/actions/action.ts';
import { value } from '../../src/actions/value.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { submitJob } from '../../src/operations/submit-job.ts';
import { startDispatch } from '../../src/scheduler/dispatch.ts';
import { startRescue } from '../../src/scheduler/rescue.ts';
import { testDatabase } from '../support/database.ts';
import { until } from '../support/embedded.ts';
import { normal } from './work.ts';

const WORKER = '00000000-0000-7000-8000-000000000001';
const log = pino({ level: 'silent' });
let database: Awaited<ReturnType<typeof testDatabase>>;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

it('ends a job at its deadline with job_timeout while a step runs: no other attempt, no notifier after it', async () => {
  const store = { db: database.db, wakeUps: createWakeUps() };
  let runs = 0;
  // Fails as soon as it is told to stop, as a killed script does.
  const slow: Action = {
    ...value,
    instant: false,
    run: (_with, { signal }) => {
      runs += 1;
      const error = { code: 'stopped', message: 'it was stopped' };
      return new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve({ kind: 'failed', error, retryable: true }));
      });
    },
  };
  const settings = { workerId: WORKER, slots: 2, queues: null, claimTtlMs: 3000 };
  const catalogue = new Map([['value', slow]]);
  const dispatch = startDispatch({ store, vital: store, catalogue, settings, log });
  const rescue = startRescue({ store, log, serverId: WORKER, claimTtlMs: 3000, trustedSince: () => 0 });
  const retry = { max_attempts: 5, delay: '1ms', jitter: false };
  const { id } = await submitJob(
    store,
    normal({
      name: 'too slow',
      timeout: '500ms',
      steps: [
        { name: 'work', uses: 'value', retry },
        { name: 'notify', uses: 'value', needs: ['work'], if: 'failure()' },
      ],
    }),
    { requestHash: 'x' },
  );
  const job = () => database.db.selectFrom('job').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  await until(async () => (await job()).finished_at !== null);
  await dispatch.stop(0);
  await rescue.stop();
  expect(await job()).toMatchObject({ status: 'failed', reason: 'job_timeout', steps_cancelled: 2 });
  const steps = await database.db.selectFrom('step').selectAll().where('job_id', '=', id).execute();
  for (const step of steps) expect(step).toMatchObject({ status: 'cancelled', failures: 0, error: null });
  expect(runs).toBe(1);
});
