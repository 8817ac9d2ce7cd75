import { type Readable, Transform } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AppError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Says that the body is needed no more, before the answer is sent: what waits holds none. */
    letBodyGo(): void;
  }
}

// What is smaller is counted at once: announced on every connection that there may be, it does not fill the room.
const SMALL = Math.floor(LIMITS.bodiesBytes / (LIMITS.connections + LIMITS.connectionsRefused));

/**
 * Bounds the bytes of all bodies that are in memory at the same time, from their arrival until they are answered: a body
 * becomes ten times as much on its way to the database. Large ones are counted as they come, so that whoever only
 * announces much keeps nothing from others. What workers say has a bound of its own. Refuses with `overloaded`.
 */
export function boundBodies(app: FastifyInstance, isOfWorkers: (url: string) => boolean): void {
  const held = { workers: 0, others: 0 };
  const given = new WeakMap<FastifyRequest, () => void>();

  app.decorateRequest('letBodyGo', function letBodyGo(this: FastifyRequest) {
    this.body = null;
    this.bodySource = null;
    given.get(this)?.();
  });

  app.addHook('preParsing', async (request, _reply, payload) => {
    const length = Number(request.headers['content-length'] ?? Number.NaN);
    const chunked = request.headers['transfer-encoding'] !== undefined;
    const { bodyLimit } = request.routeOptions;
    // No body, or one that is refused for its length alone.
    if (!chunked && !(length > 0 && length <= (bodyLimit ?? 0))) return payload;
    const whose = isOfWorkers(request.url) ? 'workers' : 'others';
    let mine = 0;
    const take = (bytes: number) => {
      // What was on its way when the body was let go is read to nowhere.
      if (!given.has(request)) return;
      if (held[whose] + bytes > LIMITS.bodiesBytes) throw tooMuch();
      held[whose] += bytes;
      mine += bytes;
    };
    let stopCounting = () => {};
    given.set(request, () => {
      stopCounting();
      held[whose] -= mine;
      mine = 0;
      given.delete(request);
    });
    if (length <= SMALL) {
      take(length);
      return payload;
    }
    // Without a length, in chunks, it is judged as it comes.
    if (!chunked && held[whose] + length > LIMITS.bodiesBytes) throw tooMuch();
    const counted = count(payload as Readable, take);
    stopCounting = counted.stop;
    return counted.body;
  });
  // By then nobody reads the body any more, also when its client has left long ago.
  app.addHook('onSend', async (request) => given.get(request)?.());
}

/**
 * The same bytes; `take` is told of them, and ends them by throwing. After `stop` the rest is read, to nowhere: an answer
 * would be lost to a client that is still sending, and one that has left would go unnoticed.
 */
function count(payload: Readable, take: (bytes: number) => void): { body: Readable; stop(): void } {
  const body = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      try {
        take(chunk.length);
        done(null, chunk);
      } catch (error) {
        stop();
        done(error as Error);
      }
    },
  });
  const stop = () => {
    payload.unpipe(body);
    payload.resume();
  };
  // Whoever reads it listens no more once the body was refused, and an error that nobody hears ends the process.
  body.on('error', () => {});
  payload.once('error', (error) => body.destroy(error));
  payload.once('close', () => {
    if (!payload.readableEnded) body.destroy(new Error('the request was closed before its end'));
  });
  payload.pipe(body);
  return { body, stop };
}

function tooMuch(): AppError {
  const most = LIMITS.bodiesBytes / 1024 / 1024;
  const detail = `bodies of ${most} MiB are being taken in here already; try again in a second, or at another server`;
  return new AppError('overloaded', detail);
}
