import { type DescribedAction, withSchema } from '../contract/job-schema.ts';
import type { ErrorCode } from '../domain/errors.ts';
import { exampleProblem, PROBLEMS } from './problem-details.ts';

/** Named examples of a body: each with a few words about what it shows. */
export type Examples = Record<string, { summary: string; value: unknown }>;

/** What a route says of itself beyond what the plugin that makes the document understands. */
interface Extras {
  /** The body may be left out. */
  'x-optional-body'?: boolean;
  /** Headers that it reads; no schema checks them. */
  'x-request-headers'?: readonly (keyof typeof REQUEST_HEADERS)[];
  /** Examples of the body by content type. */
  'x-body-examples'?: Record<string, Examples>;
}

const REQUEST_HEADERS = {
  'Idempotency-Key': {
    description:
      'The same key with the same body gives the same job: a UUID made by the client for each job.',
    example: '7d5f2d0e-4c0a-4f4f-9f5e-6f0c3a1b2c4d',
  },
  'If-None-Match': { description: 'The `ETag` that you have: 304 while nothing changed.', example: 'W/"3"' },
  Prefer: { description: '`wait=20`: as `?wait`, in seconds; shortened to 60.', example: 'wait=20' },
  Traceparent: {
    description:
      'W3C trace context: handed to the workers that run the steps. One that cannot be read is ignored.',
    example: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  },
};

interface Parameter {
  name: string;
  in: string;
  description: string;
  required: boolean;
  schema: Record<string, unknown>;
  example?: unknown;
  examples?: Examples;
}

interface Media {
  examples?: Record<string, unknown>;
}

type Operation = Extras & {
  parameters?: Parameter[];
  requestBody?: { required: boolean; content: Record<string, Media> };
  responses: Record<string, { content?: Record<string, Media> }>;
};

type Properties = Record<string, Record<string, unknown>>;

type Document = {
  paths?: Record<string, object>;
  components?: { schemas?: Record<string, object>; examples?: Record<string, unknown> };
};

/** Adds to the document of the routes what the plugin does not know, and takes out what only we understand. */
export function finishDocument<Given extends object>(
  document: Given,
  actions: readonly DescribedAction[],
): Given {
  const { paths = {}, components = {} } = document as Document;
  const operations = Object.values(paths).flatMap((path) => Object.values(path) as Operation[]);
  for (const operation of operations) finishOperation(operation);
  const codes = (Object.keys(PROBLEMS) as ErrorCode[]).filter((code) => operations.some(names(code)));
  components.examples = Object.fromEntries(
    codes.map((code) => [code, { summary: PROBLEMS[code].title, value: exampleProblem(code) }]),
  );
  describeActions(components.schemas ?? {}, actions);
  return document;
}

// The plugin takes every body for required; where nothing will do, the route says so. It also takes a parameter for
// required that always has a value.
function finishOperation(operation: Operation): void {
  const { requestBody } = operation;
  operation.parameters ??= [];
  for (const name of operation['x-request-headers'] ?? []) {
    const { description, example } = REQUEST_HEADERS[name];
    const schema = { type: 'string', examples: [example] };
    operation.parameters.push({ name, in: 'header', description, required: false, schema });
  }
  for (const parameter of operation.parameters) {
    parameter.required &&= parameter.schema.default === undefined;
    moveExample(parameter);
  }
  if (requestBody && operation['x-optional-body']) requestBody.required = false;
  for (const [type, examples] of Object.entries(operation['x-body-examples'] ?? {})) {
    const media = requestBody?.content[type];
    if (media === undefined) throw new Error(`examples of ${type}, which this call does not read`);
    media.examples = examples;
  }
  for (const extra of ['x-optional-body', 'x-request-headers', 'x-body-examples'] as const)
    delete operation[extra];
}

// The page at /docs fills in an example that stands beside the schema. What may be left out should be left out until
// somebody wants it, and the id of an example is nobody's job.
function moveExample(parameter: Parameter): void {
  const { example, examples = {}, required, schema, ...rest } = parameter;
  const given = example === undefined ? Object.values(examples).map(({ value }) => value) : [example];
  if (given.length === 0 || (required && rest.in === 'query')) return;
  schema.examples = given;
  delete parameter.example;
  delete parameter.examples;
}

function names(code: ErrorCode) {
  return ({ responses }: Operation): boolean =>
    Object.values(responses).some(({ content }) => content?.['application/problem+json']?.examples?.[code]);
}

/** Shows what the actions that are on take, wherever a definition has a `with`. */
function describeActions(schemas: Record<string, object>, actions: readonly DescribedAction[]): void {
  if (actions.length === 0) return;
  for (const action of actions) {
    schemas[nameOfWith(action)] = { description: action.summary, ...withSchema(action) };
  }
  const known = actions.map((action) => ({ $ref: `#/components/schemas/${nameOfWith(action)}` }));
  for (const place of ['JobDefinition', 'StepDefinition']) {
    const { properties } = schemas[place] as { properties: Properties };
    properties.with = {
      ...properties.with,
      anyOf: [...known, { description: 'What another action takes.' }],
    };
  }
}

function nameOfWith({ uses }: DescribedAction): string {
  return `${uses.charAt(0).toUpperCase()}${uses.slice(1)}With`;
}
