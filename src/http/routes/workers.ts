import { EXAMPLE_WORKER_ID } from '../../contract/claim.ts';
import { EXAMPLE_REGISTERED, EXAMPLE_REGISTRATION, EXAMPLE_WORKER } from '../../contract/example-worker.ts';
import { EmptyBody, NoQuery } from '../../contract/requests.ts';
import { Named } from '../../contract/scalars.ts';
import {
  ListWorkersQuery,
  RegisteredWorker,
  RemovedWorker,
  WorkerEntry,
  WorkerList,
  WorkerParams,
  WorkerRegistration,
} from '../../contract/worker.ts';
import { LIMITS } from '../../domain/limits.ts';
import { drainWorker } from '../../operations/drain-worker.ts';
import { registerWorker } from '../../operations/register-worker.ts';
import { removeWorker } from '../../operations/remove-worker.ts';
import { readWorkers } from '../../repositories/read-workers.ts';
import { answers, BODY_CODES, DATABASE_CODES } from '../answers.ts';
import type { App, RouteContext } from '../context.ts';
import { findWorker, workerBody, workerIdOf } from '../find-worker.ts';
import { decodeWorkerCursor, encodeWorkerCursor } from '../pagination.ts';
import { readRegistration } from '../read-registration.ts';

const HEARTBEAT_INTERVAL_MS = 10_000;

const registerSchema = {
  operationId: 'registerWorker',
  summary: 'Register a worker',
  description:
    'Enters a process that runs steps of the actions in `uses`, from any machine. It then claims steps under the `id` ' +
    'of the answer, and sends heartbeats as often as that says. Registering again makes another worker.',
  tags: ['workers'],
  querystring: NoQuery,
  body: Named(WorkerRegistration),
  'x-body-examples': {
    'application/json': {
      resizer: { summary: 'Four images at a time', value: EXAMPLE_REGISTRATION },
      least: { summary: 'Only what is needed', value: { name: 'a shell script', uses: ['resize'] } },
    },
  },
  response: answers(
    {
      201: {
        description: 'It is registered.',
        schema: Named(RegisteredWorker),
        headers: { location: 'Where the worker is.' },
        example: EXAMPLE_REGISTERED,
      },
    },
    ['invalid_query', ...BODY_CODES, ...DATABASE_CODES],
  ),
};

const listSchema = {
  operationId: 'listWorkers',
  summary: 'List workers',
  description:
    'The pools of the servers themselves and remote workers: those that live first, newest first, a page at a time. ' +
    'Remote workers that nobody has heard of for a day are left out for ever.',
  tags: ['workers'],
  querystring: ListWorkersQuery,
  response: answers(
    {
      200: {
        description: 'A page of workers.',
        schema: Named(WorkerList),
        example: { data: [EXAMPLE_WORKER], next_cursor: null },
      },
    },
    ['invalid_query', 'invalid_cursor', ...DATABASE_CODES],
  ),
};

const getSchema = {
  operationId: 'getWorker',
  summary: 'Get a worker',
  description: 'What it said of itself, whether it was heard of lately, and how many steps it holds.',
  tags: ['workers'],
  params: WorkerParams,
  querystring: NoQuery,
  response: answers(
    { 200: { description: 'The worker.', schema: Named(WorkerEntry), example: EXAMPLE_WORKER } },
    ['invalid_query', 'worker_not_found', ...DATABASE_CODES],
  ),
};

const drainSchema = {
  operationId: 'drainWorker',
  summary: 'Drain a worker',
  description:
    'Gives it no more steps; those that it holds it may end. Its heartbeats and claim requests are answered with ' +
    '`drain`. Draining again changes nothing.',
  tags: ['workers'],
  params: WorkerParams,
  querystring: NoQuery,
  body: EmptyBody,
  'x-optional-body': true,
  'x-body-examples': { 'application/json': { nothing: { summary: 'There is nothing to say', value: {} } } },
  response: answers(
    {
      200: {
        description: 'The worker as it is now.',
        schema: Named(WorkerEntry),
        example: { ...EXAMPLE_WORKER, status: 'draining' },
      },
    },
    ['invalid_query', 'worker_not_found', 'worker_is_server', ...BODY_CODES, ...DATABASE_CODES],
  ),
};

const removeSchema = {
  operationId: 'removeWorker',
  summary: 'Remove a worker',
  description:
    'Gives back what it holds, uncharged, and gives it nothing any more; its heartbeats and claim requests are ' +
    'answered with `stop`, and its results are refused. Removing again changes nothing. Also for a worker that leaves: ' +
    'nothing waits then for its claims to expire.',
  tags: ['workers'],
  params: WorkerParams,
  querystring: NoQuery,
  response: answers(
    {
      200: {
        description: 'It is removed.',
        schema: Named(RemovedWorker),
        example: { message: messageOf(EXAMPLE_WORKER_ID, 1, 0), worker_id: EXAMPLE_WORKER_ID, released: 1 },
      },
    },
    ['invalid_query', 'worker_not_found', 'worker_is_server', ...DATABASE_CODES],
  ),
};

/** `POST` and `GET /v1/workers`, `GET` and `DELETE /v1/workers/{id}`, `POST /v1/workers/{id}/drain`. */
export function addWorkerRoutes(app: App, { store, desk, claimTtlMs }: RouteContext): void {
  const config = { bodyIsOptional: true };

  app.post('/v1/workers', { schema: registerSchema }, async ({ body }, reply) => {
    const id = await registerWorker(store, readRegistration(body));
    const worker = workerBody(await findWorker(store, id));
    reply.code(201).header('location', `/v1/workers/${id}`);
    return {
      ...worker,
      heartbeat_interval_ms: HEARTBEAT_INTERVAL_MS,
      claim_ttl_ms: claimTtlMs,
      wait_max_ms: LIMITS.wait,
    };
  });

  app.get('/v1/workers', { schema: listSchema }, async ({ query }) => {
    const { status: statuses = [], limit, cursor } = query;
    const after = cursor === undefined ? null : decodeWorkerCursor(cursor);
    const { workers, next } = await readWorkers(store.db, statuses, { limit, after });
    return { data: workers.map(workerBody), next_cursor: next === null ? null : encodeWorkerCursor(next) };
  });

  app.get('/v1/workers/:id', { schema: getSchema }, async ({ params }) =>
    workerBody(await findWorker(store, workerIdOf(params))),
  );

  app.post('/v1/workers/:id/drain', { schema: drainSchema, config }, async ({ params }) => {
    const id = workerIdOf(params);
    desk.tell(id, await drainWorker(store, id));
    return workerBody(await findWorker(store, id));
  });

  app.delete('/v1/workers/:id', { schema: removeSchema, config }, async ({ params }) => {
    const id = workerIdOf(params);
    const { released, left } = await removeWorker(store, id);
    desk.tell(id, 'stop');
    return { message: messageOf(id, released, left), worker_id: id, released };
  });
}

function messageOf(id: string, released: number, left: number): string {
  const gave = `gave back ${released} ${released === 1 ? 'step' : 'steps'}`;
  const rest = left === 0 ? '' : `; ${left} more will be given back within seconds, whose jobs are busy`;
  return `Removed worker ${id} and ${gave}${rest}.`;
}
