import type { TSchema } from 'typebox';
import { Check } from 'typebox/value';
import { JobDefinition, RetryDefinition, StepDefinition } from './job-definition.ts';

/** What is known of an action: its name, a sentence about it, and the schema of its rendered `with`. */
export interface DescribedAction {
  uses: string;
  summary: string;
  with: TSchema;
}

/** Where the schema is served; relative, so that it names the place from where it was fetched. */
export const JOB_SCHEMA_PATH = '/schemas/job.json';

/** In the schema of a `with`: a text that is never evaluated, so that `${{` in it is a mistake. */
export const LITERAL = 'x-holdfast-literal';

type Schema = Record<string, unknown>;

const REFERENCES: Record<string, string> = {
  'StepDefinition#': '#/definitions/step',
  'RetryDefinition#': '#/definitions/retry',
};

/**
 * A JSON Schema (draft-07, which editors know best) of what `POST /v1/jobs` takes. It checks the `with` of these
 * actions; of other actions it admits any. What no schema can say, such as a circle of needs, is left to the submit.
 */
export function jobSchema(actions: readonly DescribedAction[]): Schema {
  const { required, ...job } = plain(JobDefinition);
  const step = plain(StepDefinition);
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema, not a promise
  const long = { if: { required: ['steps'] }, then: withoutShortForm(job), else: { required: ['uses'] } };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: JOB_SCHEMA_PATH,
    title: 'Holdfast job',
    ...withActions(job, actions, [long, { not: { required: ['run_at', 'delay'] } }]),
    required,
    definitions: {
      step: { title: 'Step', ...withActions(step, actions) },
      retry: { title: 'Retry', ...plain(RetryDefinition) },
    },
  };
}

/** The schema of an action's `with` as it is submitted: wherever a value is wanted, an expression may stand for it. */
export function withSchema({ with: schema }: DescribedAction): Schema {
  return admitExpressions(plain(schema));
}

/** As JSON Schema alone: references lead into this document, names that only the OpenAPI document needs are gone. */
function plain(schema: TSchema): Schema {
  const text = JSON.stringify(schema, (key, value) =>
    key === '$ref' ? (REFERENCES[value] ?? value) : value,
  );
  const { $id: _, ...rest } = JSON.parse(text) as Schema;
  return rest;
}

function withActions(place: Schema, actions: readonly DescribedAction[], more: Schema[] = []): Schema {
  const properties = place.properties as Record<string, Schema>;
  const { uses = {} } = properties;
  const { examples: _, ...anyName } = uses;
  const names = actions.map((action) => ({ const: action.uses, description: action.summary }));
  return {
    ...place,
    properties: { ...properties, uses: { ...describe(uses), anyOf: [...names, anyName] } },
    allOf: [...more, ...actions.map(ruleOfAction)],
  };
}

function ruleOfAction(action: DescribedAction): Schema {
  // Left out, `with` counts as empty; where that is not enough it has to be there.
  const required = Check(action.with, {}) ? {} : { required: ['with'] };
  return {
    if: { properties: { uses: { const: action.uses } }, required: ['uses'] },
    // biome-ignore lint/suspicious/noThenProperty: as above
    then: { properties: { with: { description: action.summary, ...withSchema(action) } }, ...required },
  };
}

/** A job with `steps` says nothing of the one step that it would be without them. */
function withoutShortForm(job: Schema): Schema {
  const ofStep = Object.keys(plain(StepDefinition).properties as Schema);
  const shared = ['name', 'queue', 'timeout'];
  const own = Object.keys(job.properties as Schema).filter((name) => ofStep.includes(name));
  const short = own.filter((name) => !shared.includes(name));
  return { properties: Object.fromEntries(short.map((name) => [name, false])) };
}

function describe({ description, examples }: Schema): Schema {
  return { ...(description ? { description } : {}), ...(examples ? { examples } : {}) };
}

const EXPRESSION = { type: 'string', pattern: '(^|[^$])\\$\\{\\{' };
const NO_EXPRESSION = '^(?!([\\s\\S]*[^$])?\\$\\{\\{)';

function admitExpressions(schema: Schema): Schema {
  const { [LITERAL]: literal, ...own } = schema;
  if (literal === true) return { ...own, pattern: NO_EXPRESSION };
  const inner = mapParts(own);
  const isAnyText = own.type === 'string' && !('pattern' in own || 'format' in own || 'enum' in own);
  const isAnything = !['type', 'anyOf', 'oneOf', 'allOf', 'const', 'enum'].some((key) => key in own);
  if (isAnyText || isAnything || holdsLiteral(own)) return inner;
  const { description, examples, ...rest } = inner;
  return { ...describe({ description, examples }), anyOf: [...alternatives(rest), EXPRESSION] };
}

/** Whether a part of it is never evaluated; then the whole cannot be one expression either. */
function holdsLiteral({ properties = {} }: Schema): boolean {
  return Object.values(properties as Record<string, Schema>).some((part) => part[LITERAL] === true);
}

function alternatives(schema: Schema): Schema[] {
  return Object.keys(schema).join() === 'anyOf' ? (schema.anyOf as Schema[]) : [schema];
}

/** The same schema, its parts by `admitExpressions`. */
function mapParts(schema: Schema): Schema {
  const mapped = Object.entries(schema).map(([key, value]) => {
    if (key === 'properties' || key === 'patternProperties') {
      const parts = Object.entries(value as Record<string, Schema>);
      return [key, Object.fromEntries(parts.map(([name, part]) => [name, admitExpressions(part)]))];
    }
    // Whichever alternative it is: that an expression may stand for it is said once, beside them.
    if (key === 'anyOf' || key === 'oneOf' || key === 'allOf')
      return [key, (value as Schema[]).map(mapParts)];
    const isPart = (key === 'items' || key === 'additionalProperties') && typeof value === 'object';
    return [key, isPart ? admitExpressions(value as Schema) : value];
  });
  return Object.fromEntries(mapped);
}
