import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Metrics } from '../telemetry/metrics.ts';

/** Tells the metrics of each answered request. An onResponse hook. */
export function countRequests(metrics: Pick<Metrics, 'answered' | 'engine'>) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    metrics.answered({
      method: request.method,
      // What no route serves is one: paths are the clients'.
      route: request.routeOptions.url?.replaceAll(/:(\w+)/g, '{$1}') ?? 'none',
      status: reply.statusCode,
      ms: reply.elapsedTime,
      waited: asksToWait(request),
    });
    if (reply.problemCode === 'claim_lost') metrics.engine.staleWrites(1);
  };
}

/** Whether the client would rather have a late answer: by `?wait`, `Prefer: wait`, or the body of a claim request. */
function asksToWait({ query, body, headers }: FastifyRequest): boolean {
  const asked = (from: unknown) => isWait((from as { wait?: unknown } | null | undefined)?.wait);
  const { claim } = (body ?? {}) as { claim?: unknown };
  return (
    asked(query) || asked(body) || asked(claim) || /\bwait\s*=\s*[1-9]/.test(String(headers.prefer ?? ''))
  );
}

function isWait(wait: unknown): boolean {
  return wait !== undefined && !/^0+s?$/.test(String(wait));
}
