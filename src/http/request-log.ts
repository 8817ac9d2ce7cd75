import type { FastifyReply, FastifyRequest } from 'fastify';
import { pathOf } from './problem-details.ts';

const PROBES = new Set(['/health', '/livez', '/readyz', '/metrics']);
/** Whether a URL asks how this server is: answered also while it shuts down. */
export function isProbe(url: string): boolean {
  return PROBES.has(pathOf(url));
}

const READS = new Set(['GET', 'HEAD']);
// What workers say all the time; what comes of it the lines about steps tell.
const TALK = /^\/v1\/(claims(\/|$)|workers\/[^/]+\/heartbeat$)/;
/** Whether a URL is what workers ask for: claims, and what becomes of them. */
export function isOfWorkers(url: string): boolean {
  return TALK.test(pathOf(url));
}

/** Writes one line for an answered request. An onResponse hook. */
export async function logRequest(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { method } = request;
  const path = pathOf(request.url);
  const ms = Math.round(reply.elapsedTime);
  const { id } = (request.params ?? {}) as { id?: string };
  const ofJob = request.routeOptions.url?.startsWith('/v1/jobs/') === true;
  const fields = {
    method,
    url: path,
    status: reply.statusCode,
    ms,
    ...(ofJob && id !== undefined ? { job_id: id } : {}),
    ...(reply.loggedJobId === null ? {} : { job_id: reply.loggedJobId }),
    ...(reply.problemCode === null ? {} : { code: reply.problemCode }),
  };
  const outcome = reply.raw.writableFinished
    ? `${reply.statusCode} in ${ms} ms`
    : `client left after ${ms} ms`;
  const level = reply.problemCode === 'overloaded' ? 'debug' : levelOf(method, path, reply.statusCode);
  request.log[level](fields, `${method} ${path} ${outcome}`);
}

// At `info` a reader sees what changed and what was refused; who polls is for `debug`.
function levelOf(method: string, path: string, status: number): 'debug' | 'info' | 'warn' | 'error' {
  if (isProbe(path)) return 'debug';
  if (status >= 500) return status === 503 ? 'warn' : 'error';
  if (status >= 400) return 'info';
  return READS.has(method) || TALK.test(path) ? 'debug' : 'info';
}

declare module 'fastify' {
  interface FastifyReply {
    /** The job that a submit made, for the log. */
    loggedJobId: string | null;
  }
}
