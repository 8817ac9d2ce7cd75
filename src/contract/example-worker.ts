import { EXAMPLE_CLAIM_ID, EXAMPLE_WORKER_ID } from './claim.ts';
import type {
  HeartbeatAnswerBody,
  RegisteredWorkerBody,
  WorkerBody,
  WorkerRegistrationBody,
} from './worker.ts';

/** The worker of the examples in the OpenAPI document: it makes images smaller, on another machine. */
export const EXAMPLE_REGISTRATION: WorkerRegistrationBody = {
  name: 'resizer@media-3',
  uses: ['resize'],
  slots: 4,
  version: '2.1.0',
  labels: { zone: 'b' },
};

export const EXAMPLE_WORKER: WorkerBody = {
  id: EXAMPLE_WORKER_ID,
  name: 'resizer@media-3',
  kind: 'remote',
  status: 'live',
  uses: ['resize'],
  queues: null,
  slots: 4,
  running: 0,
  version: '2.1.0',
  labels: { zone: 'b' },
  started_at: '2026-11-21T01:00:00.000Z',
  last_seen_at: '2026-11-21T02:00:10.000Z',
};

export const EXAMPLE_REGISTERED: RegisteredWorkerBody = {
  ...EXAMPLE_WORKER,
  last_seen_at: EXAMPLE_WORKER.started_at,
  heartbeat_interval_ms: 10_000,
  claim_ttl_ms: 30_000,
  wait_max_ms: 60_000,
};

export const EXAMPLE_HEARTBEAT = { claims: [{ id: EXAMPLE_CLAIM_ID, progress: 0.5 }] };

export const EXAMPLE_HEARTBEAT_ANSWER: HeartbeatAnswerBody = {
  command: 'run',
  claims: [{ id: EXAMPLE_CLAIM_ID, action: 'continue', expires_in_ms: 30_000 }],
};
