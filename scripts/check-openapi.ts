/** Lints the OpenAPI document that the server serves, with every built-in action on, by Redocly's rules. */
import { createConfig, lintFromString } from '@redocly/openapi-core';
import packageJson from '../package.json' with { type: 'json' };
import { ALL_ACTIONS, actionChecks, createCatalogue } from '../src/actions/catalogue.ts';
import { createDatabase, createPool } from '../src/database/connection.ts';
import { createWakeUps } from '../src/database/wake-ups.ts';
import { createApp } from '../src/http/app.ts';
import { createOutbound } from '../src/outbound/outbound.ts';
import { readFigures } from '../src/repositories/read-figures.ts';
import { createLogger } from '../src/telemetry/logger.ts';
import { createMetrics } from '../src/telemetry/metrics.ts';
import { report } from './check-tree.ts';

const NOBODY = {
  claim: () => Promise.reject(new Error('nobody claims here')),
  settle: () => Promise.reject(new Error('nobody settles here')),
  tell: () => {},
};

/** The document as a server with this version would serve it. Needs no database: none is asked. */
export async function servedDocument(): Promise<Record<string, unknown>> {
  const connection = 'postgres://nobody@127.0.0.1:1/none';
  const db = createDatabase(createPool({ connection, max: 1, applicationName: 'holdfast check' }));
  const outbound = createOutbound({ allow: [], userAgent: `holdfast/${packageJson.version}` });
  const catalogue = createCatalogue({ actions: ALL_ACTIONS, shellEnv: [], environment: {}, outbound });
  const store = { db, wakeUps: createWakeUps() };
  const app = createApp({
    store,
    vital: store,
    desk: NOBODY,
    claimTtlMs: 30_000,
    reportProgress: () => {},
    actionChecks: actionChecks(catalogue),
    actions: [...catalogue.values()],
    log: createLogger({ level: 'silent', pretty: false }),
    metrics: createMetrics({
      version: packageJson.version,
      pools: () => ({}),
      database: { read: () => readFigures(db) },
    }),
    version: packageJson.version,
    database: { kind: 'external', version: '18' },
    allowedHosts: [],
    startedAt: 0,
    isReady: () => true,
    stopping: new AbortController().signal,
  });
  try {
    await app.ready();
    return JSON.parse(JSON.stringify(app.swagger())) as Record<string, unknown>;
  } finally {
    await app.close();
    await db.destroy();
  }
}

/** What is wrong with a document, warnings too, and how many operations were looked at. */
export async function lintOpenapi(document: object): Promise<{ wrong: string[]; seen: number }> {
  const config = await createConfig({
    extends: ['recommended'],
    rules: {
      'operation-singular-tag': 'error',
      'operation-tag-defined': 'error',
      'parameter-description': 'error',
      'no-http-verbs-in-paths': 'error',
    },
  });
  const source = JSON.stringify(document);
  const problems = await lintFromString({ source, absoluteRef: 'openapi.json', config });
  const wrong = problems.map(({ ruleId, message, location }) => {
    const [{ pointer = '' } = {}] = location;
    return `${pointer}: ${ruleId}: ${message.replaceAll(/\s+/g, ' ')}`;
  });
  const { paths = {} } = document as { paths?: Record<string, object> };
  return { wrong, seen: Object.values(paths).flatMap((path) => Object.keys(path)).length };
}

if (import.meta.main) {
  const { wrong, seen } = await lintOpenapi(await servedDocument());
  report(`${seen} operations`, wrong);
}
