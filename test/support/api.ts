import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'vitest';
import { createRememberedJobs } from '../../src/database/remembered-jobs.ts';
import type { Store } from '../../src/database/store.ts';
import { createWakeUps } from '../../src/database/wake-ups.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { type AppOptions, createApp } from '../../src/http/app.ts';
import { startDispatch } from '../../src/scheduler/dispatch.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { type TestDatabase, testDatabase } from './database.ts';
import { unreadMetrics } from './metrics.ts';
import { createAnswerCheck, type OpenapiDocument } from './openapi.ts';

// biome-ignore lint/suspicious/noExplicitAny: tests reach into answers whose shape they then assert
export type Anything = any;

export interface Answer {
  status: number;
  headers: Record<string, string | undefined>;
  text: string;
  /** The body, read as JSON; undefined when it is none. */
  json: Anything;
}

export interface CallOptions {
  headers?: Record<string, string>;
  /** An object is sent as JSON, with its content type; text as it is. */
  body?: unknown;
  signal?: AbortSignal;
}

export interface TestApi {
  store: Store;
  database: TestDatabase;
  app: ReturnType<typeof createApp>;
  port: number;
  /** Requests for claims that wait at this moment. */
  waiting(): number;
  /** Calls over real HTTP and checks the answer against the OpenAPI document that the server itself serves. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  close(): Promise<void>;
}

/** Knows the actions `value`, `shell` and `wait`, of which `shell` is switched off; checks no `with`. */
const ACTIONS = {
  known: new Set(['value', 'wait']),
  builtin: new Set(['value', 'wait', 'shell']),
  checkWith: () => [],
};

/** The HTTP API on a database and a port of its own. */
export async function testApi(options: Partial<AppOptions> = {}): Promise<TestApi> {
  const database = await testDatabase();
  const store = options.store ?? {
    ...{ db: database.db, wakeUps: createWakeUps() },
    remembered: createRememberedJobs(LIMITS.rememberedSteps),
  };
  const log = createLogger({ level: 'silent', pretty: false });
  // A pool that can run nothing: steps wait until the test claims them.
  const settings = { workerId: randomUUID(), slots: 1, queues: null, claimTtlMs: 30_000 };
  const dispatch = startDispatch({ store, vital: store, catalogue: new Map(), settings, log });
  const app = createApp({
    store,
    vital: store,
    desk: dispatch.remote,
    claimTtlMs: 30_000,
    reportProgress: () => {},
    actionChecks: ACTIONS,
    actions: [],
    log,
    metrics: unreadMetrics(),
    version: '0.0.0-test',
    database: { kind: 'external', version: '18.4' },
    allowedHosts: [],
    isReady: () => true,
    stopping: new AbortController().signal,
    startedAt: Date.now(),
    ...options,
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  const document: OpenapiDocument = JSON.parse((await send(port, 'GET', '/openapi.json')).text);
  const checkAnswer = createAnswerCheck(document);
  return {
    store,
    database,
    app,
    port,
    waiting: dispatch.waiting,
    async call(method, path, callOptions = {}) {
      const answer = await send(port, method, path, callOptions);
      expect(checkAnswer({ method, path, ...answer }), `${method} ${path} ${answer.status}`).toBeNull();
      return answer;
    },
    async close() {
      await dispatch.stop(0);
      await app.close();
      await database.close();
    },
  };
}

/** One request over a connection of its own; nothing about the answer is checked. */
export function send(port: number, method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  const { body, signal } = options;
  const isText = typeof body === 'string' || Buffer.isBuffer(body);
  const data = body === undefined ? undefined : isText ? (body as string | Buffer) : JSON.stringify(body);
  const headers: Record<string, string> = {
    ...(data === undefined || options.headers?.['transfer-encoding']
      ? {}
      : { 'content-length': String(Buffer.byteLength(data)) }),
    ...(data === undefined || isText ? {} : { 'content-type': 'application/json' }),
    ...options.headers,
  };
  return new Promise((resolve, reject) => {
    const sent = request({
      host: '127.0.0.1',
      port,
      method,
      path,
      headers,
      agent: false,
      ...(signal ? { signal } : {}),
    });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        const headers = response.headers as Answer['headers'];
        const json = text !== '' && headers['content-type']?.includes('json') ? JSON.parse(text) : undefined;
        resolve({ status: response.statusCode ?? 0, headers, text, json });
      });
    });
    sent.end(data);
  });
}
