import {
  type ClaimBody,
  type ClaimListBody,
  type ClaimRequest,
  EXAMPLE_CLAIM_ID,
  EXAMPLE_WORKER_ID,
} from './claim.ts';
import { EXAMPLE_JOB_ID } from './example-job.ts';
import type { SettleBatch, SettledClaimBody, SettledClaimListBody } from './settle-claim.ts';

/** The claim of the examples in the OpenAPI document: an image is to be made smaller, on another machine. */
export const EXAMPLE_CLAIM: ClaimBody = {
  id: EXAMPLE_CLAIM_ID,
  job_id: EXAMPLE_JOB_ID,
  job_name: 'gallery',
  step: 'thumbnail',
  uses: 'resize',
  queue: 'default',
  with: { file: 'cat.png', width: 200 },
  attempt: 1,
  max_attempts: 3,
  expires_at: '2026-11-21T02:00:30.000Z',
  expires_in_ms: 30_000,
  deadline_in_ms: 300_000,
  labels: { team: 'media' },
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
};

export const EXAMPLE_CLAIM_REQUEST: ClaimRequest = {
  worker_id: EXAMPLE_WORKER_ID,
  request_id: '4f0b5a0c-1',
  max: 1,
  ttl: '30s',
  wait: '20s',
};
export const EXAMPLE_CLAIM_LIST: ClaimListBody = { data: [EXAMPLE_CLAIM], command: 'run' };
export const EXAMPLE_COMPLETE = { output: { url: 'https://img.example/cat-200.png' } };
export const EXAMPLE_FAIL = {
  error: { code: 'no_such_image', message: 'cat.png is not there' },
  retryable: true,
  retry_after: '10s',
};
export const EXAMPLE_RELEASE = { delay: '5s' };
export const EXAMPLE_COMPLETED: SettledClaimBody = { id: EXAMPLE_CLAIM_ID, outcome: 'succeeded' };
export const EXAMPLE_FAILED: SettledClaimBody = {
  id: EXAMPLE_CLAIM_ID,
  outcome: 'retrying',
  retry_in_ms: 10_000,
};
export const EXAMPLE_RELEASED: SettledClaimBody = {
  id: EXAMPLE_CLAIM_ID,
  outcome: 'released',
  retry_in_ms: 5_000,
};
export const EXAMPLE_SETTLE: SettleBatch = {
  outcomes: [{ id: EXAMPLE_CLAIM_ID, ...EXAMPLE_COMPLETE }],
  claim: { worker_id: EXAMPLE_WORKER_ID, request_id: '4f0b5a0c-2', max: 1 },
};
export const EXAMPLE_SETTLED: SettledClaimListBody = {
  data: [{ id: EXAMPLE_CLAIM_ID, status: 200, outcome: 'succeeded' }],
  claims: [],
  command: 'run',
};
