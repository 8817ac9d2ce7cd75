import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** The ETag of a job at a version. Weak: `elapsed_ms` goes on without it. */
export function jobEtag(version: number): string {
  return `W/"${version}"`;
}

/** Whether `If-None-Match` names this ETag, compared weakly; `*` names any. */
export function matchesEtag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  const opaque = etag.replace(/^W\//, '');
  return (header.match(/(?:W\/)?"[^"]*"/g) ?? []).some((given) => given.replace(/^W\//, '') === opaque);
}

/** A strong ETag of a text that is always written the same. */
export function contentEtag(text: string): string {
  return `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
}

/**
 * For answers that depend on more than one version, such as who is alive: an ETag of what is sent, and 304 when the
 * client has it. An onSend hook.
 */
export async function etagOfContent(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
): Promise<unknown> {
  if (reply.statusCode !== 200 || typeof payload !== 'string') return payload;
  const etag = `W/${contentEtag(payload)}`;
  reply.header('etag', etag);
  if (!matchesEtag(request.headers['if-none-match'], etag)) return payload;
  reply.code(304).removeHeader('content-type').removeHeader('content-length');
  return null;
}
