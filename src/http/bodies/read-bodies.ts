import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AppError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { unsupportedMediaType } from '../error-handling.ts';
import { parseJson } from './json.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A request without a body counts as `{}`, and so does an empty body of any type. */
    bodyIsOptional?: boolean;
  }
}

/** Reads bodies: JSON only, strictly, and with words for what is wrong with it. */
export function readBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const charset =
      /;\s*charset=["']?([^"';\s]+)/i.exec(request.headers['content-type'] ?? '')?.[1] ?? 'utf-8';
    if (!/^utf-?8$/i.test(charset)) return done(unsupportedMediaType(request));
    finish(request, body as Buffer, done);
  });
  // Everything else is refused before it is read, except nothing at all where nothing will do.
  app.addContentTypeParser('*', (request, payload, done) => {
    const optional = request.routeOptions.config.bodyIsOptional === true;
    if (optional && isEmpty(request)) return done(null, {});
    if (!optional || request.headers['content-type'] !== undefined)
      return done(unsupportedMediaType(request));
    collect(payload, (error, body) => (error ? done(error) : finish(request, body, done)));
  });
  app.addHook('preValidation', async (request) => {
    if (request.routeOptions.config.bodyIsOptional && request.body === undefined) request.body = {};
  });
}

type Done = (error: Error | null, body?: unknown) => void;

function finish(request: FastifyRequest, body: Buffer, done: Done): void {
  try {
    if (body.length === 0 && request.routeOptions.config.bodyIsOptional) return done(null, {});
    done(null, parseJson(body));
  } catch (error) {
    done(error as Error);
  }
}

function isEmpty(request: FastifyRequest): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  return encoding === undefined && (length === undefined || length === '0');
}

function collect(payload: NodeJS.ReadableStream, done: (error: Error | null, body: Buffer) => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  payload.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= LIMITS.bodyBytes) chunks.push(chunk);
  });
  payload.on('error', (error) => done(error, Buffer.alloc(0)));
  payload.on('end', () => {
    const large = new AppError(
      'payload_too_large',
      'the body is larger than 1 MiB, the most that this call takes',
    );
    done(size > LIMITS.bodyBytes ? large : null, Buffer.concat(chunks));
  });
}
