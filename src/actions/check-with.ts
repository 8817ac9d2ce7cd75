import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { Settings } from 'typebox/system';
import type { Problem } from '../domain/errors.ts';
import type { Json } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import { suggest } from '../domain/suggest.ts';
import type { Action, ActionOutcome } from './action.ts';

type SchemaError = ReturnType<Validator['Errors']>[number];

// By itself the library stops at eight, all of which may be of the kind that is told otherwise: then nothing would seem
// wrong. There are no more than fit into a `with`.
Settings.Set({ maxErrors: Number.MAX_SAFE_INTEGER });

const validators = new WeakMap<Action, Validator>();

/** Whether a text holds `${{`, which `$${{` escapes. */
export function holdsExpression(text: string): boolean {
  return /(?<!\$)\$\{\{/.test(text);
}

/**
 * Checks an unrendered `with` at submit: what is literal against the action's schema, then the action's own
 * check. A string that holds an expression passes for any value. `pointer` is that of the `with`.
 */
export function checkWith(action: Action, template: Json, pointer: string): Problem[] {
  const problems = schemaErrors(action, template)
    .filter((error) => {
      const at = valueAt(template, error.instancePath);
      return typeof at !== 'string' || !holdsExpression(at);
    })
    .flatMap((error) => toProblems(action, error, pointer));
  return [...problems, ...(action.check?.(template, pointer) ?? [])];
}

/** Checks a rendered `with` strictly: null, or the outcome that says what is wrong (see `withInvalid`). */
export function checkRendered(action: Action, with_: Json): ActionOutcome | null {
  const problems = schemaErrors(action, with_).flatMap((error) => toProblems(action, error, ''));
  if (problems.length === 0) return null;
  return withInvalid(tellAll(problems));
}

/** What is wrong in one sentence, of very much the first. */
export function tellAll(problems: readonly Problem[]): string {
  const told = problems.slice(0, TOLD).map(({ detail }) => detail);
  return told.join('; ') + (problems.length > TOLD ? `; and ${problems.length - TOLD} more` : '');
}

const TOLD = 10;

/** Fails with `with_invalid`, not retryable: the rendered `with` would not be better the next time. */
export function withInvalid(message: string): ActionOutcome {
  return { kind: 'failed', error: { code: 'with_invalid', message }, retryable: false };
}

/** What is wrong with a value, one error a place: the alternatives of a union are told as one. */
function schemaErrors(action: Action, with_: Json): SchemaError[] {
  let validator = validators.get(action);
  if (validator === undefined) {
    validator = Compile(action.with);
    validators.set(action, validator);
  }
  if (validator.Check(with_)) return [];
  // `boolean` repeats what `additionalProperties` says; a format is told better by the action's own check.
  const errors = validator
    .Errors(with_)
    .filter(({ keyword }) => keyword !== 'boolean' && keyword !== 'format');
  const unions = new Set(
    errors.filter((error) => error.keyword === 'anyOf').map((error) => error.instancePath),
  );
  return errors.filter((error) => error.keyword === 'anyOf' || !unions.has(error.instancePath));
}

function toProblems(action: Action, error: SchemaError, pointer: string): Problem[] {
  const at = pointer + error.instancePath;
  const known = propertiesOf(action.with);
  const params = error.params as Record<string, unknown>;
  switch (error.keyword) {
    case 'required':
      return (params.requiredProperties as string[]).map((name) => ({
        pointer: at,
        code: 'missing_field',
        detail: `\`${name}\` is missing: ${known[name]?.description ?? 'it is required'}`,
      }));
    case 'additionalProperties':
      return (params.additionalProperties as string[]).slice(0, LIMITS.errorsPerProblem).map((name) => {
        const meant = suggest(name, Object.keys(known));
        const hint =
          meant === null ? `it takes ${listNames(Object.keys(known))}` : `did you mean \`${meant}\`?`;
        const detail = `\`${name}\` is not a field of \`${action.uses}\`; ${hint}`;
        return { pointer: `${at}/${escapePointer(name)}`, code: 'unknown_field', detail };
      });
    case 'minProperties':
    case 'maxProperties':
      return [
        {
          pointer: at,
          code: 'invalid_value',
          detail: `give exactly one of ${listNames(Object.keys(known))}`,
        },
      ];
    default:
      return [{ pointer: at, code: 'invalid_value', detail: describe(error, known) }];
  }
}

function describe(error: SchemaError, known: Record<string, { description?: string }>): string {
  const name = error.instancePath.split('/')[1];
  const subject = name === undefined ? '`with`' : `\`${name}\``;
  const wanted = error.keyword === 'anyOf' ? 'has a wrong type' : error.message;
  const description = name === undefined ? undefined : known[name]?.description;
  return description === undefined ? `${subject} ${wanted}` : `${subject} ${wanted}: ${description}`;
}

function listNames(names: string[]): string {
  return names.map((name) => `\`${name}\``).join(', ');
}

function propertiesOf(schema: TSchema): Record<string, { description?: string }> {
  return (schema as { properties?: Record<string, { description?: string }> }).properties ?? {};
}

function valueAt(root: Json, pointer: string): Json | undefined {
  let value: Json | undefined = root;
  for (const part of pointer.split('/').slice(1)) {
    if (value === null || typeof value !== 'object') return undefined;
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    value = Array.isArray(value) ? value[Number(key)] : value[key];
  }
  return value;
}

function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}
