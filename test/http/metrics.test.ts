import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, send } from '../support/api.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { figure, readExposition } from '../support/exposition.ts';
import { type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';

let database: TestDatabase;
let server: ServerProcess;
beforeAll(async () => {
  database = await testDatabase();
  server = await startServer({ DATABASE_URL: database.url, CONCURRENCY: '3' });
});
afterAll(async () => {
  await stopEverything();
  await database.close();
});

const call = (method: string, path: string, body?: unknown): Promise<Answer> =>
  send(server.port, method, path, body === undefined ? {} : { body });

const submit = async (job: Record<string, unknown>, wait = '') =>
  (await call('POST', `/v1/jobs${wait}`, { name: 'a-name-of-a-job', ...job })).json;

test('GET /metrics tells what happened, in figures that agree with it', async () => {
  const value = { uses: 'value', with: 1 };
  const fails = { uses: 'shell', with: { run: 'exit 3' }, retry: { max_attempts: 2, delay: 0 } };
  const steps = [
    { name: 'first', ...value },
    { name: 'then', needs: ['first'], ...value },
    { name: 'skips', needs: ['first'], if: 'false', ...value },
  ];
  expect((await submit({ steps }, '?wait=20s')).status).toBe('succeeded');
  expect((await submit({ steps: [{ name: 'breaks', ...fails }] }, '?wait=20s')).status).toBe('failed');
  const timer = await submit({ uses: 'wait', with: { for: '1h' } });
  await expect.poll(async () => (await call('GET', `/v1/jobs/${timer.id}`)).json.steps.waiting).toBe(1);
  await call('POST', `/v1/jobs/${timer.id}/cancel`);
  await submit({ uses: 'nobody-offers-it', queue: 'far-away' });
  await submit({ delay: '1h', ...value });
  await call('GET', '/there/is/nothing');
  // A worker whose claim ended before it came back, and two that stay: one has drained.
  const worker = { name: 'a-name-of-a-worker', uses: ['resize'], slots: 4 };
  const [first, second] = await Promise.all([1, 2].map(() => call('POST', '/v1/workers', worker)));
  await call('POST', `/v1/workers/${second?.json.id}/drain`);
  const resized = await submit({ uses: 'resize' });
  const claimed = await call('POST', '/v1/claims', { worker_id: first?.json.id, wait: '10s' });
  const [claim] = claimed.json.data;
  await call('POST', `/v1/jobs/${resized.id}/cancel`);
  const late = await call('POST', `/v1/claims/${claim.id}/complete`, { output: 1 });
  expect(late.json.code).toBe('claim_lost');

  const answer = await call('GET', '/metrics');
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  const families = readExposition(answer.text);
  const read = (name: string, labels?: Record<string, string>) =>
    figure(families, `holdfast_${name}`, labels);

  expect(read('jobs_submitted_total')).toBe(6);
  expect(['succeeded', 'failed', 'cancelled'].map((status) => read('jobs_ended_total', { status }))).toEqual([
    1, 1, 2,
  ]);
  expect(read('steps_started_total', { uses: 'value', queue: 'default' })).toBe(2);
  expect(read('steps_started_total', { uses: 'shell', queue: 'default' })).toBe(2);
  expect(read('steps_ended_total', { uses: 'value', status: 'skipped' })).toBe(1);
  expect(read('attempts_ended_total', { uses: 'shell', outcome: 'failed' })).toBe(2);
  expect(read('step_retries_total', { uses: 'shell' })).toBe(1);
  expect(read('attempts_ended_total', { uses: 'wait', outcome: 'cancelled' })).toBe(1);
  expect(read('step_wait_seconds_count', { uses: 'shell' })).toBe(2);
  expect(read('step_duration_seconds_count', { uses: 'value' })).toBe(2);
  expect(read('claim_batch_steps_sum')).toBeGreaterThan(0);
  expect(read('settle_batch_outcomes_sum')).toBeGreaterThan(0);
  expect(read('stale_writes_total')).toBe(1);
  expect(read('claim_request_wait_seconds_count')).toBe(1);
  expect(read('claim_requests_waiting')).toBe(0);

  expect(read('database_up')).toBe(1);
  // Four jobs are over; they are in no gauge.
  const open = families.get('holdfast_jobs')?.samples.reduce((sum, { value }) => sum + value, 0);
  expect(open).toBe(2);
  expect(read('jobs', { status: 'scheduled' })).toBe(1);
  expect(read('jobs', { status: 'queued' })).toBe(1);
  expect(read('steps', { status: 'ready' })).toBe(1);
  expect(read('steps', { status: 'pending' })).toBe(1);
  const lonely = { queue: 'far-away', uses: 'nobody-offers-it' };
  expect(read('oldest_ready_seconds', lonely)).toBeGreaterThan(0);
  expect(read('queue_workers', lonely)).toBe(0);
  expect(read('workers', { kind: 'server', status: 'live' })).toBe(1);
  expect(read('workers', { kind: 'remote', status: 'draining' })).toBe(1);
  expect(read('worker_slots', { kind: 'server' })).toBe(3);
  expect(read('worker_slots', { kind: 'remote' })).toBe(4);
  expect(read('table_size_bytes', { table: 'step' })).toBeGreaterThan(0);
  expect(read('database_oldest_xmin_age')).toBeGreaterThanOrEqual(0);
  expect(read('pool_connections_max', { pool: 'vital' })).toBe(2);
  expect(read('build_info', { version: '0.1.0', nodejs_version: process.version })).toBe(1);

  const submits = { method: 'POST', route: '/v1/jobs' };
  expect(read('http_requests_total', { ...submits, status: '2xx' })).toBe(6);
  expect(read('http_request_duration_seconds_count', { ...submits, waited: 'yes' })).toBe(2);
  expect(read('http_request_duration_seconds_count', { ...submits, waited: 'no' })).toBe(4);
  expect(read('http_requests_total', { method: 'GET', route: 'none', status: '4xx' })).toBe(1);
  const claims = { method: 'POST', route: '/v1/claims/{id}/complete' };
  expect(read('http_requests_total', { ...claims, status: '4xx' })).toBe(1);

  // No ids, no names of jobs, steps or workers, no paths: what never ends would be a series each.
  const labels = [...families.values()].flatMap(({ samples }) =>
    samples.flatMap((one) => Object.values(one.labels)),
  );
  for (const id of [timer.id, resized.id, claim.id, first?.json.id]) expect(answer.text).not.toContain(id);
  expect(labels.filter((label) => /[0-9a-f]{8}-|name-of|^(first|then|main)$|nothing/.test(label))).toEqual(
    [],
  );
});

test('GET /metrics is for those who call the server by a name that it has', async () => {
  const foreign = await send(server.port, 'GET', '/metrics', { headers: { host: 'metrics.example.org' } });
  expect(foreign.status).toBe(403);
  expect(foreign.json.code).toBe('forbidden_host');
  expect((await call('GET', `/metrics?name=${randomUUID()}`)).json.code).toBe('invalid_query');
});
