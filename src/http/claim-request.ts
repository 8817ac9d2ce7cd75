import type { FastifyReply } from 'fastify';
import type { ClaimBody, ClaimRequest } from '../contract/claim.ts';
import { formatClaimId } from '../domain/claim-id.ts';
import { parseDuration } from '../domain/duration.ts';
import { AppError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { findUnstorable } from '../domain/storable.ts';
import type { Handed, RemoteRequest } from '../operations/remote-desk.ts';
import { workerIdOf } from './find-worker.ts';

/** Reads a request for claims; `pointer` is where it stands in the body. */
export function readAsk(
  body: ClaimRequest,
  options: { pointer: string; claimTtlMs: number; gone: AbortSignal },
): RemoteRequest {
  const { pointer, claimTtlMs, gone } = options;
  findUnstorable(body.request_id ?? '', `${pointer}/request_id`, (problem) => {
    throw new AppError('invalid_body', problem.detail, [problem]);
  });
  const bounds = { min: LIMITS.claimTtlMin, max: LIMITS.claimTtlMax };
  return {
    workerId: workerIdOf({ id: body.worker_id }),
    requestId: body.request_id ?? null,
    uses: body.uses ?? null,
    queues: body.queues ?? null,
    max: body.max ?? 1,
    ttlMs: body.ttl === undefined ? claimTtlMs : readDuration(body.ttl, `${pointer}/ttl`, bounds),
    waitMs: readDuration(body.wait ?? 0, `${pointer}/wait`, { min: 0, max: LIMITS.wait }),
    gone,
  };
}

/** Reads a duration of a body, in milliseconds; what is none is refused with its place. */
export function readDuration(
  value: string | number,
  pointer: string,
  bounds: { min: number; max: number },
): number {
  const parsed = parseDuration(value, bounds);
  if (parsed.ok) return parsed.ms;
  const detail = `\`${pointer.split('/').at(-1)}\`: ${parsed.message}`;
  throw new AppError('invalid_body', detail, [{ pointer, code: 'invalid_duration', detail }]);
}

/** Aborted when nobody is left to read the answer. */
export function goneSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  const { raw } = reply;
  if (raw.destroyed) controller.abort();
  // The reply's, not the request's: that one closes as soon as the body is read.
  raw.on('close', () => {
    if (!raw.writableFinished) controller.abort();
  });
  return controller.signal;
}

/** A claim as the wire shows it. */
export function claimBody(handout: Handed['handouts'][number]): ClaimBody {
  return {
    id: formatClaimId(handout),
    job_id: handout.job_id,
    job_name: handout.job_name,
    step: handout.step,
    uses: handout.uses,
    queue: handout.queue,
    with: handout.with,
    attempt: handout.attempt,
    max_attempts: handout.max_attempts,
    expires_at: handout.expires_at.toISOString(),
    expires_in_ms: Math.max(0, Math.floor(handout.expires_in_ms)),
    deadline_in_ms: Math.max(0, Math.floor(handout.deadline_in_ms)),
    labels: handout.labels,
    traceparent: handout.traceparent ?? traceparentOf(handout.job_id),
  };
}

/** A trace of its own for a job that came without one: all its steps then belong together. */
function traceparentOf(jobId: string): string {
  const hex = jobId.replaceAll('-', '');
  return `00-${hex}-${hex.slice(16)}-01`;
}
