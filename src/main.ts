import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import closeWithGrace from 'close-with-grace';
import type { Logger } from 'pino';
import { v4 as uuid } from 'uuid';
import packageJson from '../package.json' with { type: 'json' };
import { ALL_ACTIONS, actionChecks, type Catalogue, createCatalogue } from './actions/catalogue.ts';
import { type Config, readConfig } from './config.ts';
import { checkServer } from './database/check-server.ts';
import type { DatabaseAddress } from './database/connection.ts';
import { startEmbeddedPostgres } from './database/embedded/embedded-postgres.ts';
import { migrate } from './database/migrations.ts';
import { StartupError } from './database/startup-error.ts';
import { formatDuration } from './domain/duration.ts';
import { LIMITS } from './domain/limits.ts';
import { createApp } from './http/app.ts';
import { openStores } from './open-stores.ts';
import type { ServerEntry } from './operations/keep-server.ts';
import type { RemoteDesk } from './operations/remote-desk.ts';
import { createOutbound } from './outbound/outbound.ts';
import { type Scheduler, startScheduler } from './scheduler/scheduler.ts';
import { createBanner } from './telemetry/banner.ts';
import { createLogger } from './telemetry/logger.ts';

// On top of SHUTDOWN_GRACE: stopping what does not stop by itself, and the database last.
const STOP_MS = 15_000;

// What is set in the environment wins over the file.
if (existsSync('.env')) process.loadEnvFile('.env');
const read = readConfig(process.env, ALL_ACTIONS);
if (!read.ok) refuse(read.message);
else await start(read.config).catch((error) => refuse(error));

/** One line that says what stands in the way; a stack only for what nobody foresaw. */
function refuse(error: unknown): void {
  const known = typeof error === 'string' || error instanceof StartupError;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`holdfast cannot start: ${known ? message : ((error as Error).stack ?? message)}\n`);
  process.exit(1);
}

async function start(config: Config): Promise<void> {
  const log = createLogger({ level: config.logLevel, pretty: isTerminal() });
  // Whatever has been started, newest first: also a start that fails half-way leaves nothing behind.
  const stops: (() => Promise<void>)[] = [];
  const stopAll = async () => {
    for (let stop = stops.pop(); stop; stop = stops.pop()) await stop();
  };
  let stopping = false;
  const grace = formatDuration(config.shutdownGraceMs);
  closeWithGrace({ delay: config.shutdownGraceMs + STOP_MS, logger: false }, async ({ signal, err }) => {
    stopping = true;
    if (err) log.fatal({ err }, 'an unexpected error; stopping');
    else
      log.info(
        `stopping (${signal}); running steps have ${grace} to finish, a second signal ends them at once`,
      );
    await stopAll();
    if (!err) log.info('stopped');
  });
  try {
    await startServer(config, log, stops);
  } catch (error) {
    // A start that is cut short fails in its own ways, which say nothing to anybody.
    if (stopping) return;
    await stopAll();
    throw error;
  }
}

async function startServer(config: Config, log: Logger, stops: (() => Promise<void>)[]): Promise<void> {
  const startedAt = Date.now();
  const { connection, kind } = await openDatabase(config, log, stops);
  const { version: databaseVersion } = await checkServer(connection);
  await migrate(connection);

  const id = uuid();
  const { store, requests, workers, vital, metrics, waiting } = await openStores(
    connection,
    { id, kind, version: packageJson.version },
    log,
    stops,
  );
  const catalogue = openCatalogue(config, stops);
  const stopping = new AbortController();
  // Built before the scheduler starts: that holds the event loop for so long that transactions would time out.
  let scheduler: Scheduler;
  const desk: RemoteDesk = {
    claim: (ask) => scheduler.remote.claim(ask),
    settle: (outcomes, next) => scheduler.remote.settle(outcomes, next),
    tell: (workerId, command) => scheduler.remote.tell(workerId, command),
  };
  const app = createApp({
    ...{ store: requests, workers, vital, desk, log, metrics, startedAt },
    isOverloaded: () => waiting() >= LIMITS.requestsWaiting,
    claimTtlMs: config.claimTtlMs,
    reportProgress: (report) => scheduler.reportProgress(report),
    actionChecks: actionChecks(catalogue),
    actions: [...catalogue.values()],
    version: packageJson.version,
    database: { kind, version: databaseVersion },
    allowedHosts: config.allowedHosts,
    isReady: () => !stopping.signal.aborted,
    stopping: stopping.signal,
  });
  await app.ready();
  const entry = describeServer(id, config, [...catalogue.keys()]);
  const { claimTtlMs, retentionDays } = config;
  const settings = { entry, claimTtlMs, retentionDays, soleServer: kind === 'embedded' };
  scheduler = await startScheduler({
    ...{ store, workers, vital, connection, catalogue, settings, log },
    meter: metrics.engine,
  });
  metrics.watchClaimWaits(scheduler.waiting);
  stops.push(async () => {
    // Readiness turns 503 first, then claiming stops, and the door closes last: who waits is still answered.
    stopping.abort();
    await scheduler.stop(config.shutdownGraceMs);
    await app.close();
  });
  const keeps = kind === 'embedded' ? config.dataDir : 'your database';
  await listen(app, config, createBanner({ version: packageJson.version, keeps, pretty: isTerminal() }));
}

/** The actions that are on, and what they reach out by. */
function openCatalogue(config: Config, stops: (() => Promise<void>)[]): Catalogue {
  const { actions, shellEnv, outboundAllow: allow } = config;
  const outbound = createOutbound({ allow, userAgent: `holdfast/${packageJson.version}` });
  stops.push(() => outbound.close());
  return createCatalogue({ actions, shellEnv, environment: process.env, outbound });
}

function isTerminal(): boolean {
  return process.stdout.isTTY === true;
}

async function openDatabase(
  config: Config,
  log: Logger,
  stops: (() => Promise<void>)[],
): Promise<{ connection: DatabaseAddress; kind: 'embedded' | 'external' }> {
  if (config.databaseUrl !== null) return { connection: config.databaseUrl, kind: 'external' };
  const starting = startEmbeddedPostgres({ dataDir: config.dataDir, log });
  // Entered before it is there: who is told to stop during the start must not leave a database behind.
  stops.push(() =>
    starting.then(
      (embedded) => embedded.stop(),
      () => undefined,
    ),
  );
  return { connection: (await starting).connection, kind: 'embedded' };
}

/** What this server says of itself to the others. */
function describeServer(id: string, config: Config, uses: string[]): ServerEntry {
  return {
    id,
    name: `${hostname()}:${process.pid}`,
    version: packageJson.version,
    uses,
    queues: config.queues,
    slots: config.concurrency,
  };
}

async function listen(
  app: ReturnType<typeof createApp>,
  config: Config,
  listenTextResolver: (address: string) => string,
): Promise<void> {
  try {
    // By the name the framework would make a second server for ::1, past what guards the first.
    const host = config.host === 'localhost' ? '127.0.0.1' : config.host;
    await app.listen({ host, port: config.port, listenTextResolver });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') {
      throw new StartupError(`port ${config.port} is taken; stop what listens there or set PORT to another`);
    }
    if (code === 'EACCES')
      throw new StartupError(`port ${config.port} is not allowed; set PORT to one above 1023`);
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
      throw new StartupError(`this machine has no address ${config.host}; set HOST to one that it has`);
    }
    throw error;
  }
}
