import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../domain/errors.ts';
import { unsupportedMediaType } from './bodies/unsupported-type.ts';
import { describeTrouble, isDatabaseAway } from './database-trouble.ts';
import { sendProblem } from './problem-details.ts';

/** Answers whatever a request threw as a problem document; what nobody expected is logged, and shown to nobody. */
export function handleError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const expected = toAppError(error, request);
  if (expected.code === 'internal_error') request.log.error({ err: error }, 'a request failed');
  if (expected.code === 'database_unavailable')
    request.log.warn({ err: error }, 'the database did not answer');
  return sendProblem(reply, expected);
}

function toAppError(error: unknown, request: FastifyRequest): AppError {
  if (error instanceof AppError) return error;
  const { code, statusCode } = error as FastifyError;
  // Half a body, or a whole one that could not be read any more, and nobody there to read this: no trouble of ours.
  const isCut = !request.raw.complete || code === 'ERR_STREAM_PREMATURE_CLOSE';
  if (request.raw.destroyed && isCut) {
    return new AppError('bad_request', 'the connection was closed before the request was complete');
  }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return tooLarge(request);
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return unsupportedMediaType(request);
  if (code === 'FST_ERR_BAD_URL') {
    return new AppError('bad_request', 'the path is not a valid URL: write a percent sign as %25');
  }
  if (code === 'FST_ERR_CTP_INVALID_CONTENT_LENGTH') {
    return new AppError('bad_request', 'the body is not as long as its content-length says; send all of it');
  }
  if (isDatabaseAway(error)) return new AppError('database_unavailable', describeTrouble(error));
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new AppError('bad_request', (error as Error).message);
  }
  const detail = `this is not your fault; the server's log has more under the request id ${request.id}`;
  return new AppError('internal_error', detail);
}

/** A body past the limit of its route: says how much it is. */
export function tooLarge(request: FastifyRequest): AppError {
  const limit = request.routeOptions.bodyLimit ?? 0;
  const { method } = request;
  const shown = limit >= 1024 * 1024 ? `${Math.floor(limit / 1024 / 1024)} MiB` : `${limit} bytes`;
  return new AppError(
    'payload_too_large',
    `the body is larger than ${shown}, the most that this ${method} takes`,
  );
}
