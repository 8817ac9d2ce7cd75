import { EXAMPLE_DEFINITION, EXAMPLE_WITH } from './example-definition.ts';
import type { JobBody } from './job.ts';
import type { AttemptBody, StepBody } from './step.ts';

/**
 * The job of the examples in the OpenAPI document and on the problem pages: one story, told once. A test sends what
 * the document shows, and compares what comes back with what it shows as the answer.
 */
export const EXAMPLE_JOB_ID = '019aa0c0-7a2e-7c3f-9d1b-2f6f5d3c1a10';

/** The same with everything written out, and the order in which its steps can run. */
export const EXAMPLE_CHECKED_JOB = {
  definition: {
    ...EXAMPLE_DEFINITION,
    queue: 'default',
    priority: 0,
    fail_fast: false,
    defaults: {
      timeout: '5m',
      retry: {
        ...{ max_attempts: 3, max_losses: 5, backoff: 'exponential' },
        ...{ delay: '2s', max_delay: '5m', jitter: true },
      },
    },
  },
  plan: [['extract'], ['publish']],
  warnings: [],
};

const nothing = {
  ...{ pending: 0, ready: 0, running: 0, waiting: 0 },
  ...{ succeeded: 0, failed: 0, skipped: 0, cancelled: 0 },
};
const SUBMITTED_AT = '2026-11-21T02:00:00.000Z';
const STARTED_AT = '2026-11-21T02:00:00.016Z';

/** As it is answered right after the submit. */
export const EXAMPLE_QUEUED_JOB: JobBody = {
  id: EXAMPLE_JOB_ID,
  name: 'nightly-report',
  status: 'queued',
  reason: null,
  version: 1,
  priority: 0,
  labels: { team: 'data' },
  input: { day: '2026-11-20' },
  output: null,
  error: null,
  progress: 0,
  steps: { total: 2, ...nothing, pending: 1, ready: 1 },
  created_at: SUBMITTED_AT,
  run_at: null,
  started_at: null,
  finished_at: null,
  elapsed_ms: null,
  estimated_remaining_ms: null,
};

const EXAMPLE_QUEUED_SHORT_JOB: JobBody = {
  ...EXAMPLE_QUEUED_JOB,
  id: '019aa0c0-7a2e-7c3f-9d1b-2f6f5d3c1a12',
  name: 'hello',
  labels: {},
  input: null,
  steps: { total: 1, ...nothing, ready: 1 },
};

/** Both as they are answered right after the submit. */
export const EXAMPLE_QUEUED_JOBS = { data: [EXAMPLE_QUEUED_JOB, EXAMPLE_QUEUED_SHORT_JOB] };

/** As it is once it has run. */
export const EXAMPLE_JOB: JobBody = {
  ...EXAMPLE_QUEUED_JOB,
  status: 'succeeded',
  version: 7,
  output: { said: 'published 3 rows of 2026-11-20' },
  progress: 1,
  steps: { total: 2, ...nothing, succeeded: 2 },
  started_at: STARTED_AT,
  finished_at: '2026-11-21T02:00:00.079Z',
  elapsed_ms: 63,
  estimated_remaining_ms: 0,
};

export const EXAMPLE_PAUSED_JOB: JobBody = {
  ...EXAMPLE_QUEUED_JOB,
  status: 'paused',
  reason: 'paused by hand',
  version: 2,
  steps: { total: 2, ...nothing, pending: 2 },
};

export const EXAMPLE_CANCELLED_JOB: JobBody = {
  ...EXAMPLE_QUEUED_JOB,
  status: 'cancelled',
  reason: 'wrong input',
  version: 2,
  steps: { total: 2, ...nothing, cancelled: 2 },
  finished_at: '2026-11-21T02:00:04.500Z',
};

const EXTRACT: StepBody = {
  name: 'extract',
  status: 'succeeded',
  reason: null,
  uses: 'value',
  queue: 'default',
  needs: [],
  attempt: 1,
  failures: 0,
  losses: 0,
  max_attempts: 3,
  progress: 1,
  output: { day: '2026-11-20', rows: [3, 4, 5] },
  error: null,
  claimed_by: null,
  version: 3,
  ready_at: SUBMITTED_AT,
  started_at: STARTED_AT,
  finished_at: '2026-11-21T02:00:00.023Z',
  wake_at: null,
  blocked_by: [],
};

const PUBLISH: StepBody = {
  ...EXTRACT,
  name: 'publish',
  uses: 'shell',
  needs: ['extract'],
  output: { exit_code: 0, stdout: 'published 3 rows of 2026-11-20', json: null },
  version: 6,
  ready_at: '2026-11-21T02:00:00.035Z',
  started_at: '2026-11-21T02:00:00.040Z',
  finished_at: '2026-11-21T02:00:00.071Z',
};

/** Its steps once it has run, in a page. */
export const EXAMPLE_STEPS = { data: [EXTRACT, PUBLISH], next_cursor: null };

const ATTEMPT: AttemptBody = {
  attempt: 1,
  outcome: 'succeeded',
  error: null,
  worker: '5f3c1a10-8d1b-4c3f-9d1b-2f6f5d3c1a11',
  started_at: '2026-11-21T02:00:00.040Z',
  finished_at: '2026-11-21T02:00:00.071Z',
};

/** Its step `publish` on its own. */
export const EXAMPLE_STEP = { ...PUBLISH, with: EXAMPLE_WITH, attempts: [ATTEMPT] };

export const EXAMPLE_LOG = 'published 3 rows of 2026-11-20\n';

/** The same among the logs of all steps. */
export const EXAMPLE_JOB_LOG = 'publish | published 3 rows of 2026-11-20\n';
