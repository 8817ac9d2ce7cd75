import { type DescribedAction, JOB_SCHEMA_PATH, jobSchema } from '../../contract/job-schema.ts';
import type { App } from '../context.ts';
import { etagOfContent } from '../etag.ts';

/** `GET /schemas/job.json`: the JSON Schema of a job, with the `with` of these actions, for editors. */
export function addJobSchemaRoute(app: App, actions: readonly DescribedAction[]): void {
  const text = JSON.stringify(jobSchema(actions), null, 1);
  app.get(JOB_SCHEMA_PATH, { schema: { hide: true }, onSend: etagOfContent }, (_request, reply) =>
    reply.type('application/schema+json; charset=utf-8').send(text),
  );
}
