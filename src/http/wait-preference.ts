import type { FastifyReply, FastifyRequest } from 'fastify';
import { parseDuration } from '../domain/duration.ts';
import { LIMITS } from '../domain/limits.ts';
import { queryProblem } from './validation.ts';

/**
 * How long a request is ready to wait, in milliseconds; 0 when it is not. `?wait=30s` is refused when it cannot be
 * read; `Prefer: wait=30` (seconds, RFC 7240) is a wish: shortened to what we grant, and ignored when unreadable.
 */
export function waitPreference(
  request: FastifyRequest,
  reply: FastifyReply,
  wait: string | undefined,
): number {
  if (wait !== undefined) {
    const parsed = parseDuration(wait, { min: 0, max: LIMITS.wait });
    if (!parsed.ok) throw queryProblem('wait', 'invalid_duration', `\`wait\`: ${parsed.message}`);
    return parsed.ms;
  }
  const header = [request.headers.prefer ?? []].flat().join(',');
  const wished = /(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:$|[,;])/i.exec(header)?.[1];
  if (wished === undefined) return 0;
  const seconds = Math.min(Number(wished), LIMITS.wait / 1000);
  reply.header('preference-applied', `wait=${seconds}`);
  return seconds * 1000;
}
