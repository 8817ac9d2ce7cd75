import { Type } from 'typebox';
import { NoQuery } from '../../contract/requests.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { answers } from '../answers.ts';
import type { App } from '../context.ts';

const example = `# HELP holdfast_jobs_submitted_total Jobs stored.
# TYPE holdfast_jobs_submitted_total counter
holdfast_jobs_submitted_total 1042
…
# HELP holdfast_database_up Whether the database answered: 1 or 0.
# TYPE holdfast_database_up gauge
holdfast_database_up 1
…
`;

const schema = {
  operationId: 'getMetrics',
  summary: 'Metrics for Prometheus',
  description:
    'What this server counts, how its process is, and what the database tells, in the text format of Prometheus. The ' +
    'database is asked every 5 seconds at most; while it is away, `holdfast_database_up` is 0 and what it would tell is ' +
    'missing.',
  tags: ['health'],
  querystring: NoQuery,
  response: answers(
    { 200: { description: 'Every metric.', type: 'text/plain', schema: Type.String(), example } },
    ['invalid_query'],
  ),
};

/** `GET /metrics`. */
export function addMetricsRoute(app: App, metrics: Pick<Metrics, 'text' | 'contentType'>): void {
  app.get('/metrics', { schema }, async (_request, reply) => {
    return reply.type(metrics.contentType).send(await metrics.text());
  });
}
