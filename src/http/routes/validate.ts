import { EXAMPLE_CHECKED_JOB } from '../../contract/example-job.ts';
import { CheckedJob } from '../../contract/job.ts';
import { NoQuery } from '../../contract/requests.ts';
import { Named } from '../../contract/scalars.ts';
import type { NormalStep } from '../../domain/job-definition/normalise.ts';
import type { Json } from '../../domain/json.ts';
import { answers, DEFINITION_CODES } from '../answers.ts';
import type { App, RouteContext } from '../context.ts';
import { DEFINITION_EXAMPLES } from '../definition-examples.ts';
import { DEFINITION_BODY, readDefinition, TAKES_DEFINITION } from '../read-definition.ts';
import { writeReadable } from '../readable-json.ts';

const schema = {
  operationId: 'validateJob',
  summary: 'Check a job without storing it',
  description:
    'Takes what a submit takes, and refuses what a submit would refuse. Answers the definition with everything ' +
    'written out, ready to be submitted, and the order in which its steps can run. The body may be JSON, YAML or TOML.',
  tags: ['jobs'],
  querystring: NoQuery,
  body: DEFINITION_BODY,
  'x-body-examples': DEFINITION_EXAMPLES,
  response: answers(
    {
      200: { description: 'What would be stored.', schema: Named(CheckedJob), example: EXAMPLE_CHECKED_JOB },
    },
    ['invalid_query', 'shutting_down', ...DEFINITION_CODES],
  ),
};

/** `POST /v1/jobs/validate`; it asks the database only for who offers an action that is not on here, and can do without. */
export function addValidateRoute(app: App, context: RouteContext): void {
  app.route({
    method: 'POST',
    url: '/v1/jobs/validate',
    schema,
    ...TAKES_DEFINITION,
    // What a user gave is written as it is; a serialiser made from the schema would look at each value for its type.
    serializerCompiler: () => (checked: unknown) => writeReadable(checked as Json),
    handler: async (request) => {
      const { job } = await readDefinition(request, context);
      const { definition, levels, steps, warnings } = job;
      const plan = levels.map((level) => level.map((ordinal) => (steps[ordinal] as NormalStep).name));
      return { definition, plan, warnings };
    },
  });
}
