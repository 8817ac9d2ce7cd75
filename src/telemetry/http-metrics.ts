import { Counter, Histogram, type Registry } from 'prom-client';

/** One answered request. */
export interface AnsweredRequest {
  method: string;
  /** As the document writes it, `/v1/jobs/{id}`; never a path. */
  route: string;
  status: number;
  ms: number;
  /** It asked to wait: how long that took says nothing of how quick we are. */
  waited: boolean;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
// Whatever a client makes up is not kept.
const METHODS = new Set(['GET', 'HEAD', 'POST', 'DELETE']);

/** Counts requests; the function that it returns is told of each when it is over. */
export function createHttpMetrics(registry: Registry): (request: AnsweredRequest) => void {
  const requests = new Counter({
    name: 'holdfast_http_requests_total',
    help: 'Requests answered.',
    labelNames: ['method', 'route', 'status'],
    registers: [registry],
  });
  const duration = new Histogram({
    name: 'holdfast_http_request_duration_seconds',
    help: 'Time to answer a request; those that asked to wait are told apart.',
    labelNames: ['method', 'route', 'waited'],
    buckets: SECONDS,
    registers: [registry],
  });
  return ({ route, status, ms, waited, ...given }) => {
    const method = METHODS.has(given.method) ? given.method : 'other';
    requests.inc({ method, route, status: `${Math.floor(status / 100)}xx` });
    duration.observe({ method, route, waited: waited ? 'yes' : 'no' }, ms / 1000);
  };
}
