import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { AppError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import type { App } from './context.ts';
import { isOfWorkers, isProbe } from './request-log.ts';

// How often the log says that requests are refused.
const SAY_MS = 5_000;

/**
 * Refuses new requests with `overloaded`, before their bodies are read, while as many wait for the database as there is
 * room for, or when they come on a connection too many. Probes, and what workers say of the steps that they hold, are
 * never refused so: a server with too much to do must not lose what it has, nor be taken for dead.
 */
export function admitRequests(app: App, isOverloaded: () => boolean, log: Logger): void {
  const tooMany = watchSockets(app);
  const say = createTeller(log);
  app.addHook('onRequest', async ({ url, raw }, reply) => {
    if (tooMany.has(raw.socket)) reply.header('connection', 'close');
    if (isProbe(url) || isOfWorkers(url)) return;
    const why = tooMany.has(raw.socket) ? TOO_MANY_CONNECTIONS : isOverloaded() ? TOO_MANY_WAITING : null;
    if (why === null || (why === TOO_MANY_WAITING && !url.startsWith('/v1/'))) return;
    say();
    throw new AppError('overloaded', `${why}; try again in a second, or at another server`);
  });
}

const TOO_MANY_WAITING = `${LIMITS.requestsWaiting} requests wait here for the database already`;
const TOO_MANY_CONNECTIONS = `${LIMITS.connections} connections are open here already`;

/** Connections past the limit: each may ask once. Those past a second limit are not even taken. */
function watchSockets(app: App): WeakSet<Socket> {
  const tooMany = new WeakSet<Socket>();
  let open = 0;
  app.server.maxConnections = LIMITS.connections + LIMITS.connectionsRefused;
  app.server.on('connection', (socket: Socket) => {
    open += 1;
    if (open > LIMITS.connections) tooMany.add(socket);
    socket.once('close', () => {
      open -= 1;
    });
  });
  return tooMany;
}

/** One line now and then: one for each refusal would be a flood of its own. */
function createTeller(log: Logger): () => void {
  let refused = 0;
  let saidAt = Number.NEGATIVE_INFINITY;
  return () => {
    refused += 1;
    if (performance.now() - saidAt < SAY_MS) return;
    log.warn({ requests: refused }, 'too much to do: requests are refused');
    saidAt = performance.now();
    refused = 0;
  };
}
