import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { AppError } from '../domain/errors.ts';
import { LIMITS, type Patience } from '../domain/limits.ts';
import type { App } from './context.ts';
import { tooLarge } from './error-handling.ts';
import { problemBody } from './problem-details.ts';
import { SECURITY_HEADERS } from './security-headers.ts';

/** What the server below the app is made with. */
export function connectionOptions(patience: Patience) {
  return {
    http: {
      maxHeaderSize: LIMITS.headerBytes,
      headersTimeout: patience.head,
      connectionsCheckingInterval: patience.check,
      // The answer to a missing Host is ours: see host-check.ts.
      requireHostHeader: false,
    },
    requestTimeout: patience.request,
    keepAliveTimeout: patience.keepAlive,
    // Of no byte in either direction: see answerStalls.
    connectionTimeout: patience.stall,
    clientErrorHandler: answerUnreadable,
  };
}

/** Bounds what one side of a connection can ask of the other, and answers in our words where Node would in its own. */
export function watchConnections(app: App, patience: Patience): void {
  app.server.maxHeadersCount = LIMITS.headerCount;
  answerConnect(app);
  const expecting = answerExpectations(app);
  hearOut(app, expecting, patience);
  answerStalls(app);
  endConnections(app, patience);
}

/** Whoever does not end by himself must not keep the server from stopping, and with it the database. */
function endConnections(app: App, { close }: Patience): void {
  let timer: NodeJS.Timeout | undefined;
  app.addHook('preClose', async () => {
    timer = setTimeout(() => app.server.closeAllConnections(), close);
  });
  app.addHook('onClose', async () => clearTimeout(timer));
}

/** No proxy is here: CONNECT, which no route sees, is a method like others that are not served. */
function answerConnect(app: App): void {
  app.server.on('connect', (_request: IncomingMessage, socket: Socket) => {
    socket.on('error', () => socket.destroy());
    const error = new AppError('method_not_allowed', 'this server is no proxy: it takes no CONNECT');
    socket.end(writeProblem(error, 'Allow: GET, HEAD, POST, DELETE\r\n'));
  });
}

/**
 * Lets a client that asks first send its body only when it would be read: the host is right, and it is not too large.
 * Gives the answers to clients that were not told to go on.
 */
function answerExpectations(app: App): WeakSet<ServerResponse> {
  const expecting = new WeakSet<ServerResponse>();
  app.server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    expecting.add(response);
    // Whoever is refused before may send the body or not; what follows could not be told from it.
    response.setHeader('connection', 'close');
    app.server.emit('request', request, response);
  });
  app.server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    app.server.emit('request', request, response);
  });
  app.addHook('onRequest', async ({ headers }) => {
    if (headers.expect === undefined || /^100-continue$/i.test(headers.expect)) return;
    throw new AppError('invalid_header', 'of Expect only 100-continue is understood; leave it out');
  });
  app.addHook('preParsing', async (request, reply) => {
    if (!expecting.has(reply.raw) || request.is404) return;
    if (Number(request.headers['content-length']) > request.routeOptions.bodyLimit) throw tooLarge(request);
    expecting.delete(reply.raw);
    reply.raw.removeHeader('connection');
    reply.raw.writeContinue();
  });
  return expecting;
}

/**
 * An answer that comes before the end of the body, such as that the body is too large, would be lost to clients that
 * read only when they have sent everything, if the connection were closed with it. So the rest is read, to nowhere.
 */
function hearOut(app: App, expecting: WeakSet<ServerResponse>, { linger }: Patience): void {
  app.addHook('onSend', async ({ raw: request }, reply) => {
    const { raw: response } = reply;
    if (request.complete || expecting.has(response)) return;
    reply.removeHeader('connection');
    response.once('finish', () => {
      const timer = setTimeout(() => request.socket.destroy(), linger);
      request.once('close', () => clearTimeout(timer));
    });
  });
}

// What is being answered on a connection, for what happens outside of it.
const answers = new WeakMap<Socket, { request: IncomingMessage; response: ServerResponse }>();

/**
 * Ends connections on which nothing has moved for `patience.stall` although it is the other side's turn: half a body,
 * or an answer that nobody reads. Who waits for us, in a long-poll, may wait.
 */
function answerStalls(app: App): void {
  app.addHook('onRequest', async ({ raw: request }, { raw: response }) => {
    answers.set(request.socket, { request, response });
    // Having a listener keeps Node from cutting the connection by itself.
    response.on('timeout', (socket: Socket) => {
      if (response.writableLength > 0 || socket.writableLength > 0) socket.destroy();
      else if (!request.complete && !response.headersSent) answerUnreadable(TOO_SLOW, socket);
    });
  });
}

const TOO_SLOW = Object.assign(new Error('a request did not arrive in time'), {
  code: 'ERR_HTTP_REQUEST_TIMEOUT',
});

/** Answers what Node could not read as a request, or not in time: there is only a socket. */
function answerUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  if (socket.writable && !isAnswered(socket)) socket.write(writeProblem(toAppError(error)));
  socket.destroy(error);
}

/** Whether an answer has begun to the request that is arriving, or to the one before it: a second would be taken for it. */
function isAnswered(socket: Socket): boolean {
  const last = answers.get(socket);
  if (last === undefined || !last.response.headersSent) return false;
  return !last.request.complete || !last.response.writableFinished;
}

function writeProblem(error: AppError, headers = ''): string {
  const problem = problemBody(error, '', randomUUID());
  const body = JSON.stringify(problem);
  const security = Object.entries(SECURITY_HEADERS).map(([name, value]) => `${name}: ${value}\r\n`);
  return (
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n` +
    'Content-Type: application/problem+json; charset=utf-8\r\n' +
    `X-Request-Id: ${problem.request_id}\r\n${security.join('')}${headers}` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
  );
}

function toAppError(error: NodeJS.ErrnoException & { reason?: string }): AppError {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new AppError('request_timeout', 'the request did not arrive in time; send it again, faster');
  }
  if (error.code === 'HPE_HEADER_OVERFLOW') {
    const most = `${LIMITS.headerBytes / 1024} KiB or ${LIMITS.headerCount} headers`;
    return new AppError('headers_too_large', `the head of the request is more than ${most}; send less`);
  }
  if (error.code === 'HPE_INVALID_METHOD') {
    const detail = 'this does not begin with a method of HTTP; is it https to a server that speaks http?';
    return new AppError('bad_request', detail);
  }
  const why = error.reason ? ` (${error.reason})` : '';
  return new AppError('bad_request', `this is not a request of HTTP/1.1${why}`);
}
