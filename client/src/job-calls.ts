import type { CallOptions, Client, GetOptions } from './client.ts';
import { mayHaveDone, type Transport } from './transport.ts';
import type { CheckedJob, CleanupReport, DeletedJob, Job, JobBatch, JobDefinition, JobList } from './wire.ts';

/** The longest that a server waits with its answer. */
const LONGEST_WAIT_MS = 60_000;

type JobCalls = Pick<
  Client,
  | 'submit'
  | 'submitBatch'
  | 'validate'
  | 'get'
  | 'getChanged'
  | 'list'
  | 'listAll'
  | 'definition'
  | 'cancel'
  | 'pause'
  | 'resume'
  | 'retry'
  | 'remove'
  | 'cleanup'
>;

export function jobCalls(transport: Transport): JobCalls {
  const { send } = transport;
  const get: Client['get'] = async (id, options) => (await send(getCall(id, options))).json<Job>();
  const list: Client['list'] = async (query = {}, { signal } = {}) => {
    const call = { method: 'GET', path: '/v1/jobs', query, repeatable: true, signal } as const;
    return (await send(call)).json<JobList>();
  };
  const verb = (name: string) => async (id: string, options?: CallOptions) =>
    (await send(verbCall(id, name, options))).json<Job>();
  return {
    ...definitionCalls(transport),
    get,
    list,
    getChanged: async (id, version, options) => {
      const call = getCall(id, options);
      const answer = await send({ ...call, headers: { 'if-none-match': `W/"${version}"` } });
      return answer.status === 304 ? null : answer.json<Job>();
    },
    listAll: (query, options) => allPages((cursor) => list({ ...query, ...cursor }, options)),
    definition: async (id, { signal } = {}) => {
      const call = { method: 'GET', path: `${jobPath(id)}/definition`, repeatable: true, signal } as const;
      return (await send(call)).json<JobDefinition>();
    },
    cancel: async (id, reason, options) => {
      const call = verbCall(id, 'cancel', options);
      return (await send(reason === undefined ? call : { ...call, body: { reason } })).json<Job>();
    },
    pause: verb('pause'),
    resume: verb('resume'),
    retry: (id, options) => retry(transport, get, id, options),
    remove: (id, options) => remove(transport, id, options),
    cleanup: async (query, { signal } = {}) => {
      // The server works on it for up to 20 s.
      const call = { method: 'DELETE', path: '/v1/jobs/cleanup', query, waitMs: 20_000 } as const;
      return (await send({ ...call, repeatable: true, signal })).json<CleanupReport>();
    },
  };
}

export function jobPath(id: string): string {
  return `/v1/jobs/${encodeURIComponent(id)}`;
}

function definitionCalls({ send }: Transport): Pick<JobCalls, 'submit' | 'submitBatch' | 'validate'> {
  return {
    submit: async (definition, { idempotencyKey = newKey(), waitMs = 0, contentType, signal } = {}) => {
      const wait = Math.min(Math.max(0, Math.ceil(waitMs)), LONGEST_WAIT_MS);
      const headers = { ...typeOf(definition, contentType), 'idempotency-key': idempotencyKey };
      const query = wait > 0 ? { wait: `${wait}ms` } : {};
      const call = { method: 'POST', path: '/v1/jobs', query, body: definition, headers } as const;
      return (await send({ ...call, waitMs: wait, repeatable: true, signal })).json<Job>();
    },
    submitBatch: async (jobs, { idempotencyKey = newKey(), signal } = {}) => {
      const headers = { 'idempotency-key': idempotencyKey };
      const call = { method: 'POST', path: '/v1/jobs/batch', body: { jobs }, headers } as const;
      return (await send({ ...call, repeatable: true, signal })).json<JobBatch>();
    },
    validate: async (definition, { contentType, signal } = {}) => {
      const headers = typeOf(definition, contentType);
      const call = { method: 'POST', path: '/v1/jobs/validate', body: definition, headers } as const;
      return (await send({ ...call, repeatable: true, signal })).json<CheckedJob>();
    },
  };
}

function typeOf(definition: unknown, contentType = 'application/json'): Record<string, string> {
  const isText = typeof definition === 'string' || definition instanceof Uint8Array;
  return isText ? { 'content-type': contentType } : {};
}

/** Not `randomUUID`, which pages have only where they were loaded safely. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** A call for a job; `patienceMs` for those who wait anyway. */
export function getCall(id: string, options: GetOptions & { patienceMs?: number } = {}) {
  const { waitMs = 0, includeSteps = false, signal, patienceMs } = options;
  const wait = Math.min(Math.max(0, Math.ceil(waitMs)), LONGEST_WAIT_MS);
  const query = { ...(wait > 0 ? { wait: `${wait}ms` } : {}), ...(includeSteps ? { include: 'steps' } : {}) };
  const call = { method: 'GET', path: jobPath(id), query, repeatable: true } as const;
  return { ...call, waitMs: wait, signal, patienceMs };
}

function verbCall(id: string, verb: string, { signal }: CallOptions = {}) {
  return { method: 'POST', path: `${jobPath(id)}/${verb}`, repeatable: true, signal } as const;
}

/** Retrying twice opens what failed twice: sent again only when nothing was done, else the job is looked at. */
async function retry(
  { send }: Transport,
  get: Client['get'],
  id: string,
  options?: CallOptions,
): Promise<Job> {
  const before = await get(id, options);
  try {
    return (await send({ ...verbCall(id, 'retry', options), repeatable: false })).json<Job>();
  } catch (error) {
    if (!mayHaveDone(error)) throw error;
    const now = await get(id, options);
    if (now.version !== before.version) return now;
    throw error;
  }
}

/** Deleted by a request whose answer got lost, the job is gone when it is asked for again: that is what was wanted. */
async function remove({ send }: Transport, id: string, { signal }: CallOptions = {}): Promise<DeletedJob> {
  const call = { method: 'DELETE', path: jobPath(id), repeatable: false, signal } as const;
  try {
    return (await send(call)).json<DeletedJob>();
  } catch (error) {
    if (!mayHaveDone(error)) throw error;
    const gone = { message: `Deleted job ${id} with its steps, attempts and logs.`, job_id: id };
    const again = await send({ ...call, repeatable: true, alsoFine: [404] });
    return again.status === 404 ? gone : again.json<DeletedJob>();
  }
}

/** Everything in a list of pages, each asked for when the one before is used up. */
export async function* allPages<Entry>(
  page: (cursor: { cursor?: string }) => Promise<{ data: Entry[]; next_cursor: string | null }>,
): AsyncIterableIterator<Entry> {
  let cursor: string | null | undefined;
  do {
    const { data, next_cursor } = await page(cursor ? { cursor } : {});
    yield* data;
    cursor = next_cursor;
  } while (cursor !== null);
}
