import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { isTerminalJob, JOB_STATUSES, type JobStatus } from '../../src/domain/job-status.ts';
import type { JsonObject } from '../../src/domain/json.ts';
import type { AttemptEnd } from '../../src/domain/moves/end-attempt.ts';
import { isTerminalStep, STEP_STATUSES, type StepStatus } from '../../src/domain/step-status.ts';
import type { ClaimedStep } from '../../src/operations/advance-jobs.ts';
import { decideConditions } from '../../src/operations/decide-conditions.ts';
import { decideOutputs } from '../../src/operations/decide-outputs.ts';
import { pauseJob } from '../../src/operations/pause-job.ts';
import { rescueExpired } from '../../src/operations/rescue-steps.ts';
import { settleSteps } from '../../src/operations/settle-steps.ts';
import { startScheduledJobs } from '../../src/operations/start-scheduled-jobs.ts';
import { submitJob } from '../../src/operations/submit-job.ts';
import { timeOutJobs } from '../../src/operations/time-out-jobs.ts';
import { wakeSteps } from '../../src/operations/wake-steps.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { brokenInvariants, readRows } from './invariants.ts';
import * as work from './work.ts';

/**
 * Every status that is not terminal has an exit that needs no luck: something sweeps it, on any server, also when the
 * server that knew of it is gone and every hint is lost. Nothing here calls on hints or on the server that came before.
 */

let database: TestDatabase;
let store: Store;

beforeAll(async () => {
  database = await testDatabase();
  store = { db: database.db, wakeUps: createWakeUps() };
});

beforeEach(() => sql`truncate job, step, attempt`.execute(store.db));

afterAll(() => database.close());

const ONE: JsonObject[] = [{ name: 'a', uses: 'value' }];

async function submit(more: JsonObject = {}, steps: JsonObject[] = ONE): Promise<string> {
  const job = work.normal({ name: 'swept', timeout: 3600, ...more, steps });
  return (await submitJob(store, job, { requestHash: 'swept' })).id;
}

async function endFirst(end: AttemptEnd): Promise<void> {
  const [claimed] = await work.claim(store, 1);
  await settleSteps(store, [work.outcome(claimed as ClaimedStep, end)], { mode: 'wait' });
}

const PARKED: AttemptEnd = { kind: 'parked', for_ms: 3_600_000, output: 7 };
const RETRIED: AttemptEnd = { kind: 'failed', error: { code: 'oops', message: 'oops' }, retryable: true };
const RETRY = { max_attempts: 2, delay: 3600 };

interface Sweep {
  from: StepStatus;
  because: string;
  /** Brings the last step of a new job there. */
  bring(): Promise<string>;
  /** What every server does by itself, and the time that has to pass. */
  sweep(): Promise<unknown>;
  to: StepStatus;
}

const SWEEPS: Sweep[] = [
  {
    from: 'pending',
    because: 'its needs have not ended: their end promotes it',
    bring: () => submit({}, [...ONE, { name: 'b', uses: 'value', needs: ['a'] }]),
    sweep: () => endFirst({ kind: 'succeeded', output: null }),
    to: 'ready',
  },
  {
    from: 'pending',
    because: 'its `if` is undecided: the wake loop decides it',
    async bring() {
      const id = await submit({}, [...ONE, { name: 'b', uses: 'value', needs: ['a'], if: 'true' }]);
      await endFirst({ kind: 'succeeded', output: null });
      return id;
    },
    sweep: () => decideConditions(store),
    to: 'ready',
  },
  {
    from: 'pending',
    because: 'its `run_at` is to come: the wake loop starts the job',
    bring: () => submit({ delay: 60 }),
    async sweep() {
      await sql`update job set run_at = clock_timestamp()`.execute(store.db);
      await startScheduledJobs(store);
    },
    to: 'ready',
  },
  {
    from: 'pending',
    because: 'there is no room under `max_parallel`: the end of another makes room',
    bring: () => submit({ max_parallel: 1 }, [...ONE, { name: 'b', uses: 'value' }]),
    sweep: () => endFirst({ kind: 'succeeded', output: null }),
    to: 'ready',
  },
  {
    from: 'pending',
    because: 'its job is paused: the deadline of the job ends it, if nobody resumes',
    async bring() {
      const id = await submit();
      await pauseJob(store, id);
      return id;
    },
    sweep: passDeadlines,
    to: 'cancelled',
  },
  {
    from: 'ready',
    because: 'nobody offers its action: the deadline of the job ends it',
    bring: () => submit(),
    sweep: passDeadlines,
    to: 'cancelled',
  },
  {
    from: 'ready',
    because: 'a worker claims it',
    bring: () => submit(),
    sweep: () => work.claim(store, 1),
    to: 'running',
  },
  {
    from: 'running',
    because: 'its worker is gone: its claim expires, and it is given back',
    async bring() {
      const id = await submit();
      await work.claim(store, 1);
      return id;
    },
    async sweep() {
      await sql`update step set claim_expires_at = clock_timestamp()`.execute(store.db);
      await rescueExpired(store);
    },
    to: 'ready',
  },
  {
    from: 'running',
    because: 'its action never ends: its own deadline ends the attempt, however often its claim was extended',
    async bring() {
      const id = await submit({}, [{ ...ONE[0], timeout: 1 }]);
      await work.claim(store, 1);
      return id;
    },
    async sweep() {
      await sql`update step set started_at = started_at - interval '1 s', claim_expires_at = clock_timestamp()`.execute(
        store.db,
      );
      await rescueExpired(store);
    },
    to: 'failed',
  },
  {
    from: 'waiting',
    because: 'a retry delay: the wake loop ends it',
    async bring() {
      const id = await submit({}, [{ ...ONE[0], retry: RETRY }]);
      await endFirst(RETRIED);
      return id;
    },
    sweep: passDelays,
    to: 'ready',
  },
  {
    from: 'waiting',
    because: 'a timer: the wake loop ends it',
    async bring() {
      const id = await submit();
      await endFirst(PARKED);
      return id;
    },
    sweep: passDelays,
    to: 'succeeded',
  },
];

async function passDeadlines(): Promise<void> {
  await sql`update job set deadline_at = clock_timestamp()`.execute(store.db);
  await timeOutJobs(store);
}

async function passDelays(): Promise<void> {
  await sql`update step set wake_at = clock_timestamp() where status = 'waiting'`.execute(store.db);
  await wakeSteps(store);
}

describe('a step', () => {
  it.each(SWEEPS)('leaves $from when $because', async ({ from, bring, sweep, to }) => {
    const id = await bring();
    expect((await work.statusesOf(store.db, id)).at(-1)).toBe(from);
    await sweep();
    expect((await work.statusesOf(store.db, id)).at(-1)).toBe(to);
    expect(brokenInvariants(await readRows(store.db))).toEqual([]);
  });

  it('is swept from every status that is not terminal', () => {
    const swept = new Set(SWEEPS.map((sweep) => sweep.from));
    expect(STEP_STATUSES.filter((status) => !isTerminalStep(status) && !swept.has(status))).toEqual([]);
  });
});

const JOBS: Partial<Record<JobStatus, () => Promise<string>>> = {
  scheduled: () => submit({ delay: 60 }),
  queued: () => submit(),
  async running() {
    const id = await submit();
    await work.claim(store, 1);
    return id;
  },
  async paused() {
    const id = await submit();
    await pauseJob(store, id);
    return id;
  },
};

async function jobOf(id: string) {
  return store.db
    .selectFrom('job')
    .select(['status', 'reason', 'output'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow();
}

describe('a job', () => {
  it.each(JOB_STATUSES.filter((status) => !isTerminalJob(status)))(
    'that is %s ends by its deadline, whoever serves it',
    async (status) => {
      const id = await (JOBS[status] as () => Promise<string>)();
      expect((await jobOf(id)).status).toBe(status);
      await passDeadlines();
      expect(await jobOf(id)).toMatchObject({ status: 'failed', reason: 'job_timeout' });
      expect(brokenInvariants(await readRows(store.db))).toEqual([]);
    },
  );

  it('past its deadline starts none of its steps again, in whatever order the sweeps come', async () => {
    const id = await (JOBS.running as () => Promise<string>)();
    await sql`update job set deadline_at = clock_timestamp()`.execute(store.db);
    await sql`update step set claim_expires_at = clock_timestamp()`.execute(store.db);
    await rescueExpired(store);
    expect(await work.statusesOf(store.db, id)).toEqual(['running']);
    await timeOutJobs(store);
    expect(await work.statusesOf(store.db, id)).toEqual(['cancelled']);
  });

  it('of which only the output is left has it evaluated by any server', async () => {
    const id = await submit({ output: '${{ steps.a.output }}' });
    await endFirst({ kind: 'succeeded', output: 7 });
    expect(await jobOf(id)).toMatchObject({ status: 'running', reason: 'output_undecided' });
    await decideOutputs(store);
    expect(await jobOf(id)).toMatchObject({ status: 'succeeded', output: 7 });
  });
});
