import type { FastifyRequest } from 'fastify';
import { Health, type HealthBody, type HealthCheckBody, Probe } from '../../contract/health.ts';
import { NoQuery } from '../../contract/requests.ts';
import { Named } from '../../contract/scalars.ts';
import { type DatabaseHealth, readHealth } from '../../repositories/read-health.ts';
import { answers } from '../answers.ts';
import type { App, RouteContext } from '../context.ts';

/** What health tells about this server. */
export interface HealthFacts {
  version: string;
  database: { kind: 'embedded' | 'external'; version: string };
  /** When this server started, in milliseconds since 1970. */
  startedAt: number;
  /** False before it serves, and from the moment when it shuts down. */
  isReady(): boolean;
  /** Further parts of the server that may be well or not. */
  checks?: () => Record<string, HealthCheckBody>;
}

// Longer than a busy database takes; shorter than whoever asks waits.
const DATABASE_MS = 2_000;
const unavailable = 'It cannot serve; the body says why.';

const healthy: HealthBody = {
  status: 'ok',
  jobs_count: 1042,
  database: { kind: 'external', version: '18.4', ok: true },
  version: '0.1.0',
  uptime_ms: 86_400_000,
  checks: {
    database: { ok: true, detail: 'it answers' },
    server: { ok: true, detail: 'it takes requests' },
  },
};
const stopping: HealthBody = {
  ...healthy,
  status: 'unavailable',
  checks: { ...healthy.checks, server: { ok: false, detail: 'it is starting or shutting down' } },
};

const healthSchema = {
  operationId: 'getHealth',
  summary: 'Health of this server',
  tags: ['health'],
  querystring: NoQuery,
  response: answers(
    {
      200: { description: 'Everything works.', schema: Named(Health), example: healthy },
      503: { description: unavailable, schema: Named(Health), example: stopping },
    },
    ['invalid_query'],
  ),
};

/** `GET /health`, `/livez` and `/readyz`. */
export function addHealthRoutes(app: App, { vital }: RouteContext, facts: HealthFacts): void {
  // Over the connections that work cannot take: whoever has much to do is no reason to send others away. One look at a
  // time, so that probes, however many, take little of them.
  const look = oneAtATime(() => readHealth(vital.db));
  const askDatabase = (request: FastifyRequest) => () =>
    look().catch((error: unknown) => {
      request.log.warn({ err: error }, 'the database did not answer');
      return null;
    });

  app.get('/health', { schema: healthSchema }, async (request, reply) => {
    const body = await checkHealth(askDatabase(request), facts);
    return reply.code(body.status === 'ok' ? 200 : 503).send(body);
  });

  const live = probeSchema('isLive', 'Whether this process runs', 'Restart it when this fails.');
  app.get('/livez', { schema: live }, async () => ({ status: 'ok' }));

  const ready = probeSchema(
    'isReady',
    'Whether this server takes requests',
    'Fails while it starts or stops.',
  );
  app.get('/readyz', { schema: ready }, async (request, reply) => {
    const health = facts.isReady() ? await answersInTime(askDatabase(request)) : null;
    const ok = health?.read_only === false;
    return reply.code(ok ? 200 : 503).send({ status: ok ? 'ok' : 'unavailable' });
  });
}

/** Gives whoever asks while an answer is under way that answer. */
function oneAtATime<Result>(ask: () => Promise<Result>): () => Promise<Result> {
  let asking: Promise<Result> | null = null;
  return () => {
    asking ??= ask().finally(() => {
      asking = null;
    });
    return asking;
  };
}

async function checkHealth(
  askDatabase: () => Promise<DatabaseHealth | null>,
  facts: HealthFacts,
): Promise<HealthBody> {
  const health = await answersInTime(askDatabase);
  const ok = health?.read_only === false;
  const ready = facts.isReady();
  const checks: HealthBody['checks'] = {
    database: { ok, detail: detailOf(health) },
    server: { ok: ready, detail: ready ? 'it takes requests' : 'it is starting or shutting down' },
    ...facts.checks?.(),
  };
  return {
    status: Object.values(checks).every((check) => check.ok) ? 'ok' : 'unavailable',
    jobs_count: health?.jobs_count ?? null,
    database: { ...facts.database, ok },
    version: facts.version,
    uptime_ms: Math.max(0, Date.now() - facts.startedAt),
    checks,
  };
}

function detailOf(health: DatabaseHealth | null): string {
  if (health === null) return `it did not answer within ${DATABASE_MS} ms`;
  return health.read_only ? 'it answers, but cannot be written' : 'it answers';
}

// A database that hangs must not make health hang: null then.
async function answersInTime(ask: () => Promise<DatabaseHealth | null>): Promise<DatabaseHealth | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, DATABASE_MS, null);
  });
  try {
    return await Promise.race([ask(), late]);
  } finally {
    clearTimeout(timer);
  }
}

function probeSchema(operationId: string, summary: string, description: string) {
  const own = {
    200: { description: 'Yes.', schema: Named(Probe), example: { status: 'ok' } },
    503: { description: unavailable, schema: Named(Probe), example: { status: 'unavailable' } },
  };
  return {
    operationId,
    summary,
    description,
    tags: ['health'],
    querystring: NoQuery,
    response: answers(own, ['invalid_query']),
  };
}
