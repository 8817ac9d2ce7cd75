import type { TSchema } from 'typebox';
import { Problem } from '../contract/problem.ts';
import { Named } from '../contract/scalars.ts';
import type { ErrorCode } from '../domain/errors.ts';
import { PROBLEMS } from './problem-details.ts';

/** One answer of a route, as the document describes it and as it is serialised. */
export interface Answer {
  description: string;
  /** Absent: no body. */
  schema?: TSchema;
  /** `application/json` when absent. */
  type?: string;
  headers?: Record<string, string>;
  example?: unknown;
}

// What can happen to any request, whatever it asks for.
const EVERYWHERE: ErrorCode[] = [
  ...(['bad_request', 'invalid_query', 'invalid_header', 'forbidden_host', 'forbidden_origin'] as const),
  'internal_error',
];
/** What can happen to any request that asks the database. */
export const DATABASE_CODES: ErrorCode[] = ['overloaded', 'database_unavailable', 'shutting_down'];
/** What can happen to any request that has a body. */
export const BODY_CODES: ErrorCode[] = [
  'invalid_json',
  'invalid_body',
  'payload_too_large',
  'unsupported_media_type',
];

/** What can happen to a job definition, in whatever format it comes. */
export const DEFINITION_CODES: ErrorCode[] = [
  'invalid_definition',
  'invalid_yaml',
  'invalid_toml',
  ...BODY_CODES,
];

/** The `response` of a route's schema: its own answers, and a problem document for each status that its codes have. */
export function answers(own: Record<number, Answer>, codes: readonly ErrorCode[]): Record<number, unknown> {
  const responses: Record<number, unknown> = {};
  for (const [status, answer] of Object.entries(own)) responses[Number(status)] = describeAnswer(answer);
  const byStatus = Map.groupBy(new Set([...codes, ...EVERYWHERE]), (code) => PROBLEMS[code].status);
  for (const [status, some] of byStatus) responses[status] ??= describeProblem(some);
  return responses;
}

function describeAnswer({
  description,
  schema,
  type = 'application/json',
  headers,
  example,
}: Answer): object {
  const described = headers === undefined ? {} : { headers: describeHeaders(headers) };
  if (schema === undefined) return { description, type: 'null', ...described };
  const media = example === undefined ? { schema } : { schema, example };
  return { description, ...described, content: { [type]: media } };
}

function describeHeaders(headers: Record<string, string>): object {
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [name, { type: 'string', description }]),
  );
}

function describeProblem(codes: readonly ErrorCode[]): object {
  const [first] = codes as [ErrorCode];
  const { retry_after } = PROBLEMS[first];
  const examples = Object.fromEntries(codes.map((code) => [code, { $ref: `#/components/examples/${code}` }]));
  return {
    description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join(' '),
    ...(retry_after === undefined ? {} : { headers: describeHeaders({ 'retry-after': 'Seconds to wait.' }) }),
    content: { 'application/problem+json': { schema: Named(Problem), examples } },
  };
}
