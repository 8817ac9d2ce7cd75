import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { FastifySchemaValidationError } from 'fastify';
import { DURATION_TEXT } from '../contract/scalars.ts';
import { AppError, type Problem } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { pointerTo } from '../domain/storable.ts';
import { suggest } from '../domain/suggest.ts';

// Formats are checked where they are read, by code that says what to write instead.
const shared = {
  allErrors: true,
  removeAdditional: false,
  useDefaults: true,
  verbose: true,
  validateFormats: false,
};
const forBodies = new Ajv({ ...shared, coerceTypes: false, strict: false });
// Stops at the first mistake.
const forLargeBodies = new Ajv({ ...shared, coerceTypes: false, strict: false, allErrors: false });
// Everything in a query is text, and one of a repeatable parameter is a list of one.
const forQueries = new Ajv({ ...shared, coerceTypes: 'array', strict: false });

/** Lets the schemas of bodies refer to these by their `$id`. */
export function knowSchemas(schemas: readonly object[]): void {
  for (const schema of schemas) {
    const { $id = '' } = schema as { $id?: string };
    if ($id in forBodies.schemas) continue;
    for (const ajv of [forBodies, forLargeBodies]) ajv.addSchema(withoutDurations(schema) as object);
  }
}

/** Durations are judged by whoever reads them, with their bounds and in words; here they are text or numbers. */
function withoutDurations(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutDurations);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { anyOf } = schema as { anyOf?: { pattern?: string }[] };
  if (anyOf?.[0]?.pattern === DURATION_TEXT) return DURATION;
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, withoutDurations(value)]));
}

const DURATION = { type: ['string', 'number'] };

/** Compiles the schemas of routes: bodies as they are, queries from text. Ids in paths are told apart by their routes. */
export function compileValidator({
  schema,
  httpPart,
}: {
  schema: object;
  httpPart?: string | undefined;
}): ValidateFunction {
  if (httpPart === 'params' || httpPart === 'headers') return forQueries.compile(true);
  if (httpPart !== 'body') return forQueries.compile(schema);
  // Without its name, by which only one of several servers in this process could know it.
  const { $id: _, ...anonymous } = withoutDurations(schema) as { $id?: string };
  return judgeBodies(anonymous);
}

/** Of a body with very many mistakes all that is told is the first: to describe a million takes seconds. */
function judgeBodies(schema: object): ValidateFunction {
  const judge = forLargeBodies.compile(schema);
  let judgeAll: ValidateFunction | undefined;
  const validate = ((body: unknown) => {
    validate.errors = null;
    if (judge(body)) return true;
    if (isLarge(body)) {
      validate.errors = judge.errors ?? null;
      return false;
    }
    judgeAll ??= forBodies.compile(schema);
    judgeAll(body);
    validate.errors = judgeAll.errors ?? null;
    return false;
  }) as ValidateFunction;
  return validate;
}

const LARGE = 10_000;

/** Whether there are more values in it than are worth a look at each. */
function isLarge(body: unknown): boolean {
  const open = [body];
  let seen = 0;
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (value === null || typeof value !== 'object') continue;
    const children = Object.values(value);
    seen += children.length;
    if (seen > LARGE) return true;
    for (const child of children) open.push(child ?? null);
  }
  return false;
}

/** Takes every value: for a body whose check says more than a schema could. */
export function compileWithoutBody(route: {
  schema: object;
  httpPart?: string | undefined;
}): ValidateFunction {
  return route.httpPart === 'body' ? forBodies.compile(true) : compileValidator(route);
}

/** What a schema found wrong, in words; the framework throws what this returns. */
export function formatSchemaErrors(errors: FastifySchemaValidationError[], part: string): AppError {
  const inQuery = part === 'querystring';
  const told = (errors as unknown as ErrorObject[]).slice(0, LIMITS.errorsPerProblem);
  const problems = told.map((error) => toProblem(error, inQuery));
  const [first] = problems as [Problem];
  return new AppError(inQuery ? 'invalid_query' : 'invalid_body', first.detail, problems);
}

/** A query parameter that a schema cannot judge. */
export function queryProblem(name: string, code: string, detail: string): AppError {
  return new AppError('invalid_query', detail, [{ pointer: `/${name}`, code, detail }]);
}

function toProblem(error: ErrorObject, inQuery: boolean): Problem {
  // Of an entry of a list, the name of the list.
  const name = error.instancePath.split('/').findLast((part) => !/^\d*$/.test(part)) ?? '';
  if (error.keyword === 'additionalProperties') {
    const unknown = String(error.params.additionalProperty);
    return {
      pointer: pointerTo(error.instancePath, unknown),
      code: 'unknown_field',
      detail: unknownName(error, unknown),
    };
  }
  if (error.keyword === 'required') {
    const missing = String(error.params.missingProperty);
    return {
      pointer: `${error.instancePath}/${missing}`,
      code: 'missing',
      detail: `\`${missing}\` is missing; ${describe(error, missing)}`,
    };
  }
  const what = name === '' ? 'the body' : `\`${name}\``;
  const given = inQuery ? `, not ${JSON.stringify(shorten(String(error.data)))}` : '';
  return {
    pointer: error.instancePath,
    code: 'invalid_value',
    detail: `${what} ${expectation(error)}${given}`,
  };
}

function unknownName(error: ErrorObject, unknown: string): string {
  const known = Object.keys((error.parentSchema as { properties?: object }).properties ?? {});
  const meant = suggest(unknown, known);
  const hint = meant === null ? `there is ${list(known)}` : `did you mean \`${meant}\`?`;
  return `\`${shorten(unknown)}\` is not known here; ${hint}`;
}

function describe(error: ErrorObject, missing: string): string {
  const { properties } = error.parentSchema as { properties?: Record<string, { description?: string }> };
  const description = properties?.[missing]?.description ?? 'give it';
  return description.charAt(0).toLowerCase() + description.slice(1);
}

function expectation(error: ErrorObject): string {
  const { keyword, params } = error;
  if (keyword === 'enum') {
    const words = params.allowedValues as string[];
    return words.length === 1 ? `must be ${words[0]}` : `must be one of ${words.join(', ')}`;
  }
  if (keyword === 'type') return `must be ${withArticle(params.type)}`;
  if (keyword === 'minimum') return `must be at least ${params.limit}`;
  if (keyword === 'maximum') return `must be at most ${params.limit}`;
  if (keyword === 'maxLength') return `must be at most ${params.limit} characters long`;
  if (keyword === 'maxItems') return `must have at most ${params.limit} entries`;
  if (keyword === 'minItems') return `must have at least ${params.limit} entries`;
  if (keyword === 'minLength')
    return params.limit === 1 ? 'must not be empty' : `must be at least ${params.limit} characters long`;
  if (keyword === 'pattern') return `cannot be spelt like that; ${spelling(error)}`;
  return error.message ?? 'is wrong';
}

// A pattern says it to programs; the schema says it in words, and shows one.
function spelling({ parentSchema }: ErrorObject): string {
  const { description = '', examples = [] } = parentSchema as { description?: string; examples?: string[] };
  const shown = examples[0] === undefined ? '' : `, such as "${examples[0]}"`;
  return `${description.charAt(0).toLowerCase()}${description.slice(1).replace(/\.$/, '')}${shown}`;
}

function withArticle(type: string | string[]): string {
  const words: Record<string, string> = {
    array: 'a list',
    boolean: 'true or false',
    integer: 'a whole number',
    object: 'a JSON object',
  };
  return [type]
    .flat()
    .map((word) => words[word] ?? `a ${word}`)
    .join(' or ');
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'nothing to give' : names.map((name) => `\`${name}\``).join(', ');
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
