import type { Json } from '../json.ts';
import { LIMITS } from '../limits.ts';
import { setStatus } from './language.ts';
import { explain, type LanguageError, ONE_EXPRESSION, ONLY_IN_IF, summaryOf, UNCLOSED } from './message.ts';
import { isExhausted, startMeter } from './meter.ts';
import { type Program, programOf } from './program.ts';
import { addText, kindOf, type Size, setKey, toJson, tooLarge } from './result.ts';
import { conditionSource, mayHoldExpression, splitText, wholeExpression } from './text.ts';

/**
 * Expressions in `with`, `if` and a job's `output`: `${{ expression }}` in CEL.
 *
 * A string that is one whole expression takes the expression's value with its type. In a string with other
 * text around them, results that are strings stand as they are and everything else as JSON, so null is `null`
 * there. `$${{` is a plain `${{`.
 */

/** What a template may read. A step that is not here, or did not succeed, reads as null. */
export interface Scope {
  job: { id: string };
  input: Json;
  steps: Record<string, { output: Json; status: string }>;
  needs: { name: string; status: string; output: Json }[];
}

export interface ConditionScope extends Scope {
  success: boolean;
  failure: boolean;
}

export type Evaluated<T> =
  | { ok: true; value: T }
  | { ok: false; error: { code: 'expression_error'; message: string } };

/** Evaluates an `if`. An error in it is a value; this never throws. */
export function evaluateCondition(source: string, scope: ConditionScope): Evaluated<boolean> {
  const bare = conditionSource(source);
  if (bare === undefined) return failed(source, ONE_EXPRESSION);
  startMeter();
  const run = begin(scope);
  setStatus(scope.success, scope.failure);
  try {
    const value = run(programOf(bare));
    if (typeof value === 'boolean') return { ok: true, value };
    return failed(bare, `an \`if\` must be true or false, and this is a value of type ${kindOf(value)}`);
  } catch (error) {
    return failed(bare, hinted(error as LanguageError));
  }
}

/**
 * Renders the expressions of a template. The result shares with the template what has none in it.
 * An error in an expression is a value, as is a result above `LIMITS.valueBytes` or `LIMITS.jsonDepth`; this
 * never throws.
 */
export function renderTemplate(template: Json, scope: Scope): Evaluated<Json> {
  return renderWith(template, scope, (program, run) => run(program));
}

/**
 * Renders a job's `output`: as `renderTemplate`, but an expression that reads a step which did not succeed, and can
 * make nothing of that, gives null.
 */
export function renderOutput(template: Json, scope: Scope): Evaluated<Json> {
  const succeeded = (name: string) =>
    Object.hasOwn(scope.steps, name) && scope.steps[name]?.status === 'succeeded';
  return renderWith(template, scope, (program, run) => {
    try {
      return run(program);
    } catch (error) {
      if (isExhausted() || [...program.steps].every(succeeded)) throw error;
      return null;
    }
  });
}

type Run = (program: Program) => unknown;

function renderWith(
  template: Json,
  scope: Scope,
  attempt: (program: Program, run: Run) => unknown,
): Evaluated<Json> {
  const size: Size = { least: 0, most: 0 };
  let run: Run | undefined;
  let current = '';
  const evaluate = (source: string) => {
    current = source;
    const program = programOf(source);
    if (program.usesStatusFunction) throw new Error(ONLY_IN_IF);
    run ??= begin(scope);
    return attempt(program, run);
  };
  startMeter();
  try {
    const value = render(template, evaluate, size, 0);
    if (
      !run ||
      size.most <= LIMITS.valueBytes ||
      Buffer.byteLength(JSON.stringify(value)) <= LIMITS.valueBytes
    ) {
      return { ok: true, value };
    }
    return failed(current, tooLarge());
  } catch (error) {
    return failed(current, hinted(error as LanguageError));
  }
}

type Evaluate = (source: string) => unknown;

function render(template: Json, evaluate: Evaluate, size: Size, depth: number): Json {
  if (typeof template === 'string') {
    if (mayHoldExpression(template)) return renderText(template, evaluate, size, depth);
    size.most += 6 * template.length + 3;
    return template;
  }
  size.most += 26;
  if (template === null || typeof template !== 'object') return template;
  if (Array.isArray(template)) {
    const items = template.map((item) => render(item, evaluate, size, depth + 1));
    return items.every((item, i) => Object.is(item, template[i])) ? template : items;
  }
  const object: { [key: string]: Json } = {};
  let changed = false;
  for (const key of Object.keys(template)) {
    const before = template[key] as Json;
    const after = render(before, evaluate, size, depth + 1);
    size.most += 6 * key.length + 3;
    if (!Object.is(before, after)) changed = true;
    setKey(object, key, after);
  }
  return changed ? object : template;
}

function renderText(text: string, evaluate: Evaluate, size: Size, depth: number): Json {
  const parts = splitText(text);
  if (!parts) throw new Error(UNCLOSED);
  const whole = wholeExpression(parts);
  if (whole !== undefined) return toJson(evaluate(whole), size, depth);
  const rendered = parts.map((part) => {
    if ('text' in part) return part.text;
    const value = toJson(evaluate(part.source), { ...size }, depth);
    return typeof value === 'string' ? value : JSON.stringify(value);
  });
  for (const piece of rendered) addText(size, piece);
  return rendered.join('');
}

/** Gives what evaluates one program after the other over a scope, all of them on one budget. */
function begin(scope: Scope): Run {
  const steps = new Map<string, { output: Json; status: string | null }>();
  const context = { job: scope.job, input: scope.input, needs: scope.needs, steps };
  return (program) => {
    for (const name of program.steps) {
      // A map, since a step may be called `constructor`.
      const step = Object.hasOwn(scope.steps, name) ? scope.steps[name] : undefined;
      steps.set(name, step ?? { output: null, status: null });
    }
    return program.evaluate(context);
  };
}

const OPTIONAL_FORM = 'where it may be missing, ask `has(a.b)` first or write `a.?b.orValue("")`';

/** What went wrong, with the way out where there is one. */
function hinted(error: LanguageError): string {
  const what = summaryOf(error);
  if (error.code === 'no_such_key' || what.endsWith(' of null')) return `${what}; ${OPTIONAL_FORM}`;
  if (error.code === 'no_matching_overload' && what.includes('double')) {
    return `${what}; numbers that come from JSON are doubles: int() makes one whole`;
  }
  if (error.code === 'no_such_overload' && what.includes('string'))
    return `${what}; string() makes text of a number`;
  return what;
}

function failed(
  source: string,
  detail: string,
): { ok: false; error: { code: 'expression_error'; message: string } } {
  return { ok: false, error: { code: 'expression_error', message: explain(source, detail) } };
}
