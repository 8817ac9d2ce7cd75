import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { parse as parseToml } from 'smol-toml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { EXAMPLE_CLAIM_ID, EXAMPLE_WORKER_ID } from '../../src/contract/claim.ts';
import { EXAMPLE_CLAIM } from '../../src/contract/example-claim.ts';
import { EXAMPLE_DEFINITION } from '../../src/contract/example-definition.ts';
import { EXAMPLE_JOB_ID } from '../../src/contract/example-job.ts';
import { EXAMPLE_REGISTRATION } from '../../src/contract/example-worker.ts';
import { decodeJobCursor, decodeStepCursor } from '../../src/http/pagination.ts';
import { CATALOGUE, CHECKS } from '../support/actions.ts';
import { type Answer, type Anything, type CallOptions, send, type TestApi, testApi } from '../support/api.ts';
import { createAnswerCheck } from '../support/openapi.ts';
import { compareOutput } from '../support/page-commands.ts';
import { type ServerProcess, startServer, stopEverything } from '../support/server-process.ts';

const PROBLEM = 'application/problem+json';

// One server without an engine, where jobs stay as they are put, and a whole one that runs them.
let still: TestApi;
let live: ServerProcess;
let liveDatabase: TestApi;
let document: Anything;
let checkAnswer: ReturnType<typeof createAnswerCheck>;
let isReady = true;
beforeAll(async () => {
  const actions = [...CATALOGUE.values()];
  still = await testApi({ actions, actionChecks: CHECKS, isReady: () => isReady, version: '0.1.0' });
  liveDatabase = await testApi();
  live = await startServer({ DATABASE_URL: liveDatabase.database.url });
  document = (await send(still.port, 'GET', '/openapi.json')).json;
  checkAnswer = createAnswerCheck(document);
});
afterAll(async () => {
  await stopEverything();
  await still.close();
  await liveDatabase.close();
});

interface Operation {
  id: string;
  method: string;
  path: string;
  operation: Anything;
}

const operations = (): Operation[] =>
  Object.entries<Anything>(document.paths).flatMap(([path, item]) =>
    Object.entries<Anything>(item).map(([method, operation]) => ({
      id: operation.operationId,
      method: method.toUpperCase(),
      path,
      operation,
    })),
  );
const operationOf = (id: string) => operations().find((one) => one.id === id) as Operation;

const examplesOf = ({ example, examples = {} }: Anything): unknown[] =>
  example === undefined ? Object.values<Anything>(examples).map(({ value }) => value) : [example];
const parameterExample = ({ schema, ...parameter }: Anything): unknown =>
  examplesOf(parameter)[0] ?? schema.examples?.[0];

/** What stands here for the job, the claim and the worker of the examples. */
type Ids = Record<string, string>;

function withIds(text: string, ids: Ids): string {
  return Object.entries(ids).reduce((replaced, [example, id]) => replaced.replaceAll(example, id), text);
}

/** The path of an example request. */
function pathOf({ path, operation }: Operation, ids: Ids, wanted: (parameter: Anything) => boolean): string {
  const query = new URLSearchParams();
  let filled = path;
  for (const parameter of operation.parameters) {
    const example = parameterExample(parameter);
    if (parameter.in === 'path') {
      filled = filled.replace(`{${parameter.name}}`, encodeURIComponent(withIds(String(example), ids)));
    } else if (parameter.in === 'query' && wanted(parameter)) {
      for (const value of [example].flat()) query.append(parameter.name, String(value));
    }
  }
  return query.size === 0 ? filled : `${filled}?${query}`;
}

const isRequired = ({ required }: Anything) => required === true;
const isAny = () => true;

/** An example body as it is sent. */
function sendable(type: string, value: unknown, ids: Ids = {}): CallOptions {
  const body = withIds(typeof value === 'string' ? value : JSON.stringify(value), ids);
  return { body, headers: { 'content-type': type } };
}

function bodiesOf({ operation }: Operation, ids: Ids = {}): CallOptions[] {
  const content = Object.entries<Anything>(operation.requestBody?.content ?? {});
  const bodies = content.flatMap(([type, media]) =>
    examplesOf(media).map((value) => sendable(type, value, ids)),
  );
  return bodies.length === 0 ? [{}] : bodies;
}

const definition: CallOptions = sendable('application/json', EXAMPLE_DEFINITION);

async function stillJob(...verbs: string[]): Promise<string> {
  const { json } = await still.call('POST', '/v1/jobs', definition);
  for (const verb of verbs) await still.call('POST', `/v1/jobs/${json.id}/${verb}`);
  return json.id;
}

let ranJob: string | undefined;
/** The job of the story, run to its end; the only one of the live server. */
async function liveJob(): Promise<string> {
  if (ranJob === undefined) {
    const { json } = await send(live.port, 'POST', '/v1/jobs?wait=20s', definition);
    expect(json.status).toBe('succeeded');
    ranJob = json.id as string;
  }
  return ranJob;
}

async function stillWorker(): Promise<string> {
  const body = { name: 'resizer', uses: ['resize'] };
  return (await still.call('POST', '/v1/workers', { body })).json.id;
}

/** The job of the claims in the examples. */
const GALLERY = {
  ...{ name: 'gallery', labels: { team: 'media' } },
  steps: [
    {
      ...{ name: 'thumbnail', uses: 'resize', with: { file: 'cat.png', width: 200 } },
      ...{ timeout: '5m', retry: { max_attempts: 3 } },
    },
  ],
};

/** A worker, and a job with a step for it. */
async function readyStep(): Promise<Ids> {
  // Of several that are ready the worker would get the oldest.
  await still.store.db.deleteFrom('job').where('name', '=', 'gallery').execute();
  const headers = { traceparent: EXAMPLE_CLAIM.traceparent };
  await still.call('POST', '/v1/jobs', { body: GALLERY, headers });
  return { [EXAMPLE_WORKER_ID]: await stillWorker() };
}

/** A worker that holds a claim on the only step of a job. */
async function stillClaim(): Promise<Ids> {
  const ids = await readyStep();
  const worker_id = ids[EXAMPLE_WORKER_ID];
  const { json } = await still.call('POST', '/v1/claims', { body: { worker_id } });
  return { ...ids, [EXAMPLE_CLAIM_ID]: json.data[0].id };
}

/** The worker of the story. */
async function exampleWorker(): Promise<Ids> {
  const { json } = await still.call('POST', '/v1/workers', { body: EXAMPLE_REGISTRATION });
  return { [EXAMPLE_WORKER_ID]: json.id };
}

async function onlyExampleWorker(): Promise<Ids> {
  await still.store.db.deleteFrom('worker').execute();
  return exampleWorker();
}

interface Situation {
  on: 'still' | 'live';
  /** Brings about the claim or the worker that the call is about. */
  ids?: () => Promise<Ids>;
  /** Brings about what the call needs; gives the job that it is about. */
  job?: () => Promise<string>;
  /** What makes it this answer and no other, beside the example itself. */
  query?: string;
  headers?: () => Promise<Record<string, string>>;
  /** Which of the example bodies the example answer belongs to; the first, unless said. */
  body?: number;
}

const etagOf = (path: (job: string) => string) => async () => {
  const { headers } = await send(live.port, 'GET', path(await liveJob()));
  return { 'if-none-match': headers.etag as string };
};

/** A key under which the batch of the example was sent before. */
const keyOfBatch = async () => {
  const key = { 'idempotency-key': 'sent-before' };
  const { headers, ...options } = bodiesOf(operationOf('submitBatch'))[0] as CallOptions;
  await still.call('POST', '/v1/jobs/batch', { ...options, headers: { ...headers, ...key } });
  return key;
};

/** How each answer that is described comes about, by operation and status. */
const SITUATIONS: Record<string, Record<number, Situation>> = {
  // First, while the job of the story is the only one.
  listJobs: { 200: { on: 'live', job: liveJob } },
  submitJob: { 202: { on: 'still', body: 1 }, 200: { on: 'live', query: 'wait=20s', body: 1 } },
  submitBatch: { 202: { on: 'still' }, 200: { on: 'still', headers: keyOfBatch } },
  validateJob: { 200: { on: 'still', body: 1 } },
  getJob: {
    200: { on: 'live', job: liveJob },
    304: { on: 'live', job: liveJob, headers: etagOf((id) => `/v1/jobs/${id}`) },
  },
  getJobDefinition: {
    200: { on: 'live', job: liveJob },
    304: { on: 'live', job: liveJob, headers: etagOf((id) => `/v1/jobs/${id}/definition`) },
  },
  getJobLog: { 200: { on: 'live', job: liveJob } },
  deleteJob: { 200: { on: 'still', job: () => stillJob('cancel') } },
  cleanupJobs: { 200: { on: 'still' } },
  cancelJob: { 200: { on: 'still', job: () => stillJob() } },
  pauseJob: { 200: { on: 'still', job: () => stillJob() } },
  resumeJob: { 200: { on: 'still', job: () => stillJob('pause') } },
  retryJob: { 200: { on: 'still', job: () => stillJob('cancel') } },
  listSteps: {
    200: { on: 'live', job: liveJob },
    304: { on: 'live', job: liveJob, headers: etagOf((id) => `/v1/jobs/${id}/steps`) },
  },
  getStep: {
    200: { on: 'live', job: liveJob },
    304: { on: 'live', job: liveJob, headers: etagOf((id) => `/v1/jobs/${id}/steps/publish`) },
  },
  getStepLog: { 200: { on: 'live', job: liveJob } },
  claimSteps: { 200: { on: 'still', ids: readyStep } },
  completeClaim: { 200: { on: 'still', ids: stillClaim } },
  failClaim: { 200: { on: 'still', ids: stillClaim } },
  releaseClaim: { 200: { on: 'still', ids: stillClaim } },
  settleClaims: { 200: { on: 'still', ids: stillClaim } },
  extendClaim: { 200: { on: 'still', ids: stillClaim } },
  extendClaims: { 200: { on: 'still', ids: stillClaim } },
  appendLog: { 200: { on: 'still', ids: stillClaim } },
  registerWorker: { 201: { on: 'still' } },
  listWorkers: { 200: { on: 'still', ids: onlyExampleWorker } },
  getWorker: { 200: { on: 'still', ids: exampleWorker } },
  drainWorker: { 200: { on: 'still', ids: exampleWorker } },
  removeWorker: { 200: { on: 'still', ids: stillClaim } },
  sendHeartbeat: { 200: { on: 'still', ids: stillClaim } },
  getHealth: { 200: { on: 'live' }, 503: { on: 'still' } },
  getMetrics: { 200: { on: 'live' } },
  isLive: { 200: { on: 'still' } },
  isReady: { 200: { on: 'still' }, 503: { on: 'still' } },
};
// It says 503 only while the process cannot answer at all, for whatever stands before it.
const NEVER: [string, number][] = [['isLive', 503]];

const portOf = (on: Situation['on']) => (on === 'still' ? still.port : live.port);

/** Every answer that is no problem document. */
const answersOf = ({ operation }: Operation) =>
  Object.entries<Anything>(operation.responses).filter(([, { content = {} }]) => !content[PROBLEM]);

async function idsOf({ job, ids }: Situation): Promise<Ids> {
  return { [EXAMPLE_JOB_ID]: (await job?.()) ?? EXAMPLE_JOB_ID, ...(await ids?.()) };
}

async function ask(one: Operation, status: number, situation: Situation): Promise<[string, Answer]> {
  isReady = status !== 503;
  const ids = await idsOf(situation);
  const { body, headers } = bodiesOf(one, ids)[situation.body ?? 0] as CallOptions;
  const example = pathOf(one, ids, isRequired);
  const path = situation.query === undefined ? example : `${example}?${situation.query}`;
  const options = { body, headers: { ...headers, ...(await situation.headers?.()) } };
  return [path, await send(portOf(situation.on), one.method, path, options)];
}

describe('every call of the document', () => {
  test('has a situation here for each answer, and an example for each parameter, body and answer', () => {
    const wanted: string[] = [];
    const missing: string[] = [];
    for (const one of operations()) {
      for (const parameter of one.operation.parameters) {
        if (parameterExample(parameter) === undefined) missing.push(`${one.id}: parameter ${parameter.name}`);
        expect(parameter, `${one.id} ${parameter.name}`).not.toHaveProperty('examples');
      }
      for (const [type, media] of Object.entries<Anything>(one.operation.requestBody?.content ?? {}))
        if (examplesOf(media).length === 0) missing.push(`${one.id}: body as ${type}`);
      for (const [status, { content = {} }] of answersOf(one)) {
        wanted.push(`${one.id} ${status}`);
        for (const media of Object.values(content))
          if (examplesOf(media).length === 0) missing.push(`${one.id}: answer ${status}`);
      }
    }
    expect(missing).toEqual([]);
    const situations = Object.entries(SITUATIONS).flatMap(([id, by]) =>
      Object.keys(by).map((status) => `${id} ${status}`),
    );
    expect([...situations, ...NEVER.map((pair) => pair.join(' '))].sort()).toEqual(wanted.sort());
  });

  test('shows only examples that fit what it says of them', () => {
    const ajv = new Ajv2020({ strict: false, allErrors: true });
    formats.default(ajv as never);
    ajv.addSchema(document, 'document');
    const compiled = new Map<string, ReturnType<typeof ajv.compile>>();
    const check = (place: string[], value: unknown) => {
      const { $ref }: Anything = place.reduce((at, key) => at[key], document);
      const parts = place.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')));
      const pointer: string = $ref ?? `#/${parts.join('/')}`;
      const validate = compiled.get(pointer) ?? ajv.compile({ $ref: `document${pointer}` });
      compiled.set(pointer, validate);
      expect(validate(value), `${place.join(' ')}: ${ajv.errorsText(validate.errors)}`).toBe(true);
    };
    let checked = 0;
    for (const { path, method, operation } of operations()) {
      const here = ['paths', path, method.toLowerCase()];
      for (const [index, parameter] of operation.parameters.entries()) {
        check([...here, 'parameters', String(index), 'schema'], parameterExample(parameter));
        checked++;
      }
      const contents = [
        [['requestBody'], operation.requestBody?.content ?? {}],
        ...Object.entries<Anything>(operation.responses).map(([status, { content = {} }]) => [
          ['responses', status],
          content,
        ]),
      ] as [string[], Record<string, Anything>][];
      for (const [part, content] of contents) {
        for (const [type, media] of Object.entries(content)) {
          const named = Object.values<Anything>(media.examples ?? {}).map(({ $ref, value }) =>
            $ref === undefined ? value : document.components.examples[$ref.split('/').at(-1)].value,
          );
          for (const value of media.example === undefined ? named : [media.example]) {
            check([...here, ...part, 'content', type, 'schema'], value);
            checked++;
          }
        }
      }
    }
    expect(checked).toBeGreaterThan(150);
  });

  test('tells its problems by real ones, each by its status', () => {
    const examples = Object.entries<Anything>(document.components.examples);
    expect(examples.length).toBeGreaterThan(15);
    for (const { id, operation } of operations()) {
      for (const [status, { content = {} }] of Object.entries<Anything>(operation.responses)) {
        for (const name of Object.keys(content[PROBLEM]?.examples ?? {}))
          expect(document.components.examples[name].value.status, `${id} ${name}`).toBe(Number(status));
      }
    }
  });

  const cases = Object.entries(SITUATIONS).flatMap(([id, by]) =>
    Object.entries(by).map(([status, situation]) => [id, Number(status), situation] as const),
  );
  test.each(cases)('%s is really answered %i as its example shows', async (id, status, situation) => {
    const one = operationOf(id);
    const [path, answer] = await ask(one, status, situation);
    expect(answer.status, answer.text).toBe(status);
    expect(checkAnswer({ method: one.method, path, ...answer })).toBeNull();
    for (const [type, media] of Object.entries<Anything>(one.operation.responses[status].content ?? {})) {
      expect(answer.headers['content-type']).toContain(type);
      const [example] = examplesOf(media);
      const printed = type.includes('json')
        ? { language: 'json', text: JSON.stringify(example) }
        : { language: 'text', text: String(example) };
      expect(compareOutput(printed, answer.text)).toBeNull();
    }
  });

  test.each(Object.keys(SITUATIONS))(
    '%s takes each example of a body, and all its parameters at once',
    async (id) => {
      const one = operationOf(id);
      const [[status, situation]] = Object.entries(SITUATIONS[id] ?? {}) as [[string, Situation]];
      isReady = true;
      const headers = Object.fromEntries(
        one.operation.parameters
          .filter((parameter: Anything) => parameter.in === 'header')
          .map((parameter: Anything) => [parameter.name, parameterExample(parameter)]),
      );
      for (const index of bodiesOf(one).keys()) {
        const ids = await idsOf(situation);
        const options = bodiesOf(one, ids)[index] as CallOptions;
        // One key stands for one job: the other bodies come without.
        const { 'Idempotency-Key': key, ...others } = headers;
        const sent = {
          ...options,
          headers: {
            ...options.headers,
            ...others,
            ...(index === 0 && key ? { 'idempotency-key': key } : {}),
          },
        };
        // Without an engine a wait for the end would last as long as it says.
        const port = id === 'submitJob' ? live.port : portOf(situation.on);
        const path = pathOf(one, ids, isAny);
        const answer = await send(port, one.method, path, sent);
        expect([status, '200', '202', '304'], `${path}: ${answer.text}`).toContain(String(answer.status));
        expect(checkAnswer({ method: one.method, path, ...answer })).toBeNull();
      }
    },
  );
});

test('a `with` shows what each action takes', () => {
  const { schemas } = document.components;
  const names = [...CATALOGUE.keys()].map((uses) => `${uses.charAt(0).toUpperCase()}${uses.slice(1)}With`);
  for (const place of [schemas.JobDefinition, schemas.StepDefinition]) {
    const offered = place.properties.with.anyOf.map(({ $ref }: Anything) => $ref?.split('/').at(-1));
    expect(offered).toEqual([...names, undefined]);
  }
  for (const name of names) expect(schemas[name].description, name).toMatch(/\.$/);
});

test('the formats tell the same job', () => {
  const { content } = operationOf('submitJob').operation.requestBody;
  const [yaml] = examplesOf(content['application/yaml']) as [string];
  const [toml] = examplesOf(content['application/toml']) as [string];
  expect(parseYaml(yaml)).toEqual(EXAMPLE_DEFINITION);
  expect(parseToml(toml)).toEqual(EXAMPLE_DEFINITION);
});

test('the cursors of the examples are cursors', () => {
  const cursorOf = (id: string) => {
    const { parameters } = operationOf(id).operation;
    return parameterExample(parameters.find(({ name }: Anything) => name === 'cursor')) as string;
  };
  expect(decodeJobCursor(cursorOf('listJobs'))).toEqual({
    created_us: Date.parse('2026-11-21T02:00:00Z') * 1000,
    id: EXAMPLE_JOB_ID,
  });
  expect(decodeStepCursor(cursorOf('listSteps'))).toBe(1);
});

test('the page at /docs fills in no parameter that may be left out', () => {
  const filled = operations().flatMap(({ id, operation }) =>
    operation.parameters
      .filter((parameter: Anything) => parameter.example !== undefined)
      .map(({ name }: Anything) => `${id} ${name}`),
  );
  expect(filled).toEqual(['cleanupJobs days']);
});
