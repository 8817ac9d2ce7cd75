import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { type FastifyBaseLogger, type FastifyReply, fastify, LogController } from 'fastify';
import type { Logger } from 'pino';
import type { DescribedAction } from '../contract/job-schema.ts';
import type { Store } from '../database/store.ts';
import { AppError } from '../domain/errors.ts';
import type { ActionChecks } from '../domain/job-definition/actions.ts';
import { LIMITS, PATIENCE, type Patience } from '../domain/limits.ts';
import type { RemoteDesk } from '../operations/remote-desk.ts';
import { readOffers } from '../repositories/read-offers.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { admitRequests } from './admission.ts';
import { boundBodies } from './bodies/body-budget.ts';
import { readBodies } from './bodies/read-bodies.ts';
import { connectionOptions, watchConnections } from './connections.ts';
import type { App, RouteContext } from './context.ts';
import { handleError } from './error-handling.ts';
import { createHostCheck, pathOfTarget } from './host-check.ts';
import { createJobWaits } from './job-waits.ts';
import { addOpenapiRoute, describeRoutes } from './openapi.ts';
import { sendProblem } from './problem-details.ts';
import { isOfWorkers, isProbe, logRequest } from './request-log.ts';
import { countRequests } from './request-metrics.ts';
import { addBatchRoute } from './routes/batch.ts';
import { addClaimLogRoute } from './routes/claim-log.ts';
import { addClaimRoute } from './routes/claims.ts';
import { addCleanupRoute } from './routes/cleanup.ts';
import { addDefinitionRoute } from './routes/definition.ts';
import { addExtendRoutes } from './routes/extend-claims.ts';
import { addHealthRoutes, type HealthFacts } from './routes/health.ts';
import { addHeartbeatRoute } from './routes/heartbeat.ts';
import { addJobLogRoute } from './routes/job-log.ts';
import { addJobSchemaRoute } from './routes/job-schema.ts';
import { addJobVerbRoutes } from './routes/job-verbs.ts';
import { addJobRoutes } from './routes/jobs.ts';
import { addMetricsRoute } from './routes/metrics.ts';
import { addProblemRoutes } from './routes/problems.ts';
import { addSettleRoutes } from './routes/settle-claims.ts';
import { addStartPage } from './routes/start-page.ts';
import { addStepLogRoute } from './routes/step-log.ts';
import { addStepRoutes } from './routes/steps.ts';
import { addSubmitRoute } from './routes/submit.ts';
import { addValidateRoute } from './routes/validate.ts';
import { addWorkerRoutes } from './routes/workers.ts';
import { SECURITY_HEADERS } from './security-headers.ts';
import { answerUnknownRoutes } from './unknown-routes.ts';
import { compileValidator, formatSchemaErrors } from './validation.ts';

export interface AppOptions extends HealthFacts {
  store: Store;
  /** The same database over connections of its own, for signs of life, which must never wait behind work. */
  vital: Store;
  /** The same database for what workers say of steps that they hold: before new requests. As `store` when absent. */
  workers?: Store;
  /** Whether so much waits here that new requests are refused. */
  isOverloaded?: () => boolean;
  /** Where steps go out to remote workers. */
  desk: RemoteDesk;
  /** How long a claim is valid when its request does not say. */
  claimTtlMs: number;
  /** Takes what a worker says of the progress of a step. */
  reportProgress: RouteContext['reportProgress'];
  /** What this server knows of actions. */
  actionChecks: ActionChecks;
  /** The same for documents: the actions that are on. */
  actions: readonly DescribedAction[];
  log: Logger;
  metrics: Metrics;
  /** Names, besides those of loopback, by which this server may be called; with a port when only that one is meant. */
  allowedHosts: readonly string[];
  /** Aborted when the server begins to stop: waits are answered at once, with how things are. */
  stopping: AbortSignal;
  /** How long the other side of a connection may take. */
  patience?: Patience;
}

/** The HTTP API; the caller lets it listen. */
export function createApp(options: AppOptions): App {
  const { store, workers = store, vital, desk, claimTtlMs, actionChecks, patience = PATIENCE } = options;
  const app = createServer(options.log, patience);
  markAnswers(app);
  boundBodies(app, isOfWorkers);
  watchConnections(app, patience);
  const waits = createJobWaits(store);
  options.stopping.addEventListener('abort', () => waits.end());
  app.addHook('preClose', async () => waits.end());

  answerEarly(app, options);
  admitRequests(app, options.isOverloaded ?? (() => false), options.log);
  endLines(app);
  app.addHook('onResponse', logRequest);
  app.addHook('onResponse', countRequests(options.metrics));
  answerUnknownRoutes(app);
  readBodies(app);
  describeRoutes(app, options.version, options.actions);
  const context: RouteContext = {
    ...{ store, workers, vital, desk },
    staleWrites: options.metrics.engine.staleWrites,
    claimTtlMs,
    reportProgress: options.reportProgress,
    actionChecks,
    waits,
    readOffers: async () => ({ live: await readOffers(store.db), builtIn: [...actionChecks.builtin] }),
  };
  // A plugin, so that the one that describes routes is there before them.
  app.register((routes: App, _options, done) => {
    addSubmitRoute(routes, context);
    addBatchRoute(routes, context);
    addValidateRoute(routes, context);
    addJobRoutes(routes, context);
    addDefinitionRoute(routes, context);
    addJobLogRoute(routes, context);
    addCleanupRoute(routes, context);
    addJobVerbRoutes(routes, context);
    addStepRoutes(routes, context);
    addStepLogRoute(routes, context);
    addExtendRoutes(routes, context);
    addClaimLogRoute(routes, context);
    addWorkerRoutes(routes, context);
    addHeartbeatRoute(routes, context);
    addClaimRoute(routes, context);
    addSettleRoutes(routes, context);
    addHealthRoutes(routes, context, options);
    addMetricsRoute(routes, options.metrics);
    addOpenapiRoute(routes);
    addJobSchemaRoute(routes, options.actions);
    addProblemRoutes(routes);
    addStartPage(routes, options.version);
    done();
  });
  return app;
}

function createServer(log: Logger, patience: Patience): App {
  const app = fastify({
    loggerInstance: log as FastifyBaseLogger,
    // The lines about requests are ours: see request-log.ts.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    bodyLimit: LIMITS.bodyBytes,
    // While it shuts down, our own answer instead of the framework's.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    // A part of a path as long as may be: what is too long for a name is a name that nothing has.
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 16_384 },
    genReqId: ({ headers }) => sane(headers['x-request-id']) ?? randomUUID(),
    schemaErrorFormatter: formatSchemaErrors,
    // No hook sees these.
    frameworkErrors: (error, request, reply) =>
      void handleError(error, request, reply.headers(SECURITY_HEADERS) as unknown as FastifyReply),
    // Clients of proxies name the whole URL; the host in it is checked with the others.
    rewriteUrl: ({ url }) => pathOfTarget(url ?? '/'),
    ...connectionOptions(patience),
  }) as unknown as App;
  app.setValidatorCompiler(compileValidator as Parameters<App['setValidatorCompiler']>[0]);
  app.setErrorHandler(handleError);
  app.decorateReply('problemCode', null);
  app.decorateReply('loggedJobId', null);
  return app;
}

/** What every answer says, also those that refuse: before any other hook. */
function markAnswers(app: App): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id).headers(SECURITY_HEADERS).header('cache-control', 'no-cache');
  });
}

/** What is done to every request before its route sees it. */
function answerEarly(app: App, { allowedHosts }: AppOptions): void {
  const checkHost = createHostCheck(allowedHosts);
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
  });
  app.addHook('onRequest', async (request, reply) => {
    checkHost(request);
    checkEncoding(request.headers);
    if (!closing || isProbe(request.url)) return;
    reply.header('connection', 'close');
    return sendProblem(
      reply,
      new AppError('shutting_down', 'this server is shutting down; try again, or another one'),
    );
  });
}

/** In a terminal the next prompt then stands on a line of its own. */
function endLines(app: App): void {
  app.addHook('onSend', async (_request, reply, payload) => {
    const isJson = /json/.test(String(reply.getHeader('content-type')));
    return isJson && typeof payload === 'string' && payload !== '' ? `${payload}\n` : payload;
  });
}

/** Bodies are read as they come: limits count what arrives, and nothing small unpacks into something large. */
function checkEncoding(headers: IncomingHttpHeaders): void {
  const { 'content-encoding': content = 'identity', 'transfer-encoding': transfer = 'chunked' } = headers;
  if (!/^identity$/i.test(content)) {
    const detail = `the body is not read in content-encoding ${content.slice(0, 100)}; send it without, as it is`;
    throw new AppError('unsupported_media_type', detail);
  }
  if (!/^chunked$/i.test(transfer))
    throw new AppError('bad_request', 'of transfer-encoding only chunked is understood');
}

function sane(id: string | string[] | undefined): string | undefined {
  return typeof id === 'string' && /^[\w.:/+=@-]{1,128}$/.test(id) ? id : undefined;
}
