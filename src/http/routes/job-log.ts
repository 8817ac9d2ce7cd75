import { Readable } from 'node:stream';
import { Type } from 'typebox';
import { EXAMPLE_JOB_LOG } from '../../contract/example-job.ts';
import { JobParams, NoQuery } from '../../contract/requests.ts';
import type { Store } from '../../database/store.ts';
import { readJobLog } from '../../repositories/read-logs.ts';
import { readStepLabels } from '../../repositories/read-steps.ts';
import { answers, DATABASE_CODES } from '../answers.ts';
import type { App, RouteContext } from '../context.ts';
import { jobIdOf, noSuchJob } from '../find-job.ts';
import { type LabelledBytes, prefixLines } from '../prefix-lines.ts';

const schema = {
  operationId: 'getJobLog',
  summary: 'Read the log of a job',
  description:
    'What all its steps wrote by now, as text: step after step in the order of the definition, each attempt of it, oldest ' +
    'first. Each line begins with the name of its step, from the second attempt on as `name#2`. Steps that wrote ' +
    'nothing are left out.',
  tags: ['jobs'],
  params: JobParams,
  querystring: NoQuery,
  response: answers(
    {
      200: {
        description: 'The logs of the steps.',
        type: 'text/plain',
        schema: Type.String(),
        example: EXAMPLE_JOB_LOG,
      },
    },
    ['invalid_query', 'job_not_found', ...DATABASE_CODES],
  ),
};

/** Longer names push their lines to the right: one of them should not do so to all. */
const WIDEST = 20;

/** `GET /v1/jobs/{id}/log`. */
export function addJobLogRoute(app: App, { store }: RouteContext): void {
  app.get('/v1/jobs/:id/log', { schema }, async ({ params, method }, reply) => {
    const id = jobIdOf(params);
    const steps = await readStepLabels(store.db, id);
    // Every job has steps.
    if (steps.length === 0) throw noSuchJob(id);
    const widths = steps.map(({ name, attempt }) => labelOf(name, attempt).length);
    const width = Math.min(
      WIDEST,
      widths.reduce((most, each) => Math.max(most, each)),
    );
    const names = steps.map(({ name }) => name);
    // The framework reads a stream to its end to answer HEAD without it.
    const lines = method === 'HEAD' ? [] : prefixLines(labelled(store, id, names), width);
    reply.type('text/plain; charset=utf-8');
    return reply.send(Readable.from(lines, { objectMode: false }));
  });
}

async function* labelled(
  store: Store,
  id: string,
  names: readonly string[],
): AsyncGenerator<LabelledBytes, void, void> {
  for await (const { ordinal, attempt, data } of readJobLog(store.db, id)) {
    yield { label: labelOf(names[ordinal] as string, attempt), bytes: data };
  }
}

function labelOf(name: string, attempt: number): string {
  return attempt > 1 ? `${name}#${attempt}` : name;
}
