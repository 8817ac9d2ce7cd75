import { CleanupReport } from '../../contract/job.ts';
import { CleanupQuery } from '../../contract/requests.ts';
import { Named } from '../../contract/scalars.ts';
import { LIMITS } from '../../domain/limits.ts';
import { cleanupJobs } from '../../operations/cleanup-jobs.ts';
import { answers, DATABASE_CODES } from '../answers.ts';
import type { App, RouteContext } from '../context.ts';

const example = {
  message: 'Deleted 12 jobs that ended more than 7 days ago.',
  deleted_count: 12,
  retention_days: 7,
  more: false,
};

const schema = {
  operationId: 'cleanupJobs',
  summary: 'Delete old jobs',
  description:
    'Deletes jobs that ended more than `days` days ago, in batches, for at most 20 seconds; `more` says whether to ' +
    'call again. Made for a timer.',
  tags: ['jobs'],
  querystring: CleanupQuery,
  response: answers({ 200: { description: 'What was deleted.', schema: Named(CleanupReport), example } }, [
    'invalid_query',
    ...DATABASE_CODES,
  ]),
};

/** `DELETE /v1/jobs/cleanup`. */
export function addCleanupRoute(app: App, { store }: RouteContext): void {
  app.delete('/v1/jobs/cleanup', { schema, config: { bodyIsOptional: true } }, async ({ query }) => {
    const { days, status, dry_run: dryRun } = query;
    const report = await cleanupJobs(store, {
      days,
      statuses: status ?? null,
      dryRun,
      deadlineMs: LIMITS.cleanupTime,
    });
    const what = `${report.deleted_count} ${report.deleted_count === 1 ? 'job' : 'jobs'}`;
    const age = `that ended more than ${days} ${days === 1 ? 'day' : 'days'} ago`;
    const more = report.more && !dryRun ? '; there are more, call again' : '';
    const message = `${dryRun ? 'Would delete' : 'Deleted'} ${what} ${age}${more}.`;
    return { message, ...report, retention_days: days };
  });
}
