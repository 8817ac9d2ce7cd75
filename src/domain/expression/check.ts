import type { Json } from '../json.ts';
import { LIMITS } from '../limits.ts';
import { didYouMean } from '../suggest.ts';
import { explain, ONE_EXPRESSION, ONLY_IN_IF, UNCLOSED } from './message.ts';
import { type Program, programOf } from './program.ts';
import { conditionSource, mayHoldExpression, splitText } from './text.ts';

/** What can be said of expressions at submit: syntax, types, and that every step named is above. */

export interface ExpressionProblem {
  /** RFC 6901 pointer to the string that holds the expression. */
  pointer: string;
  /** `expression_invalid`, `expression_too_large`, `too_many_expressions`, `unknown_step` or `not_an_ancestor`. */
  code: string;
  detail: string;
}

/** What has to be loaded before an expression can be evaluated. */
export interface Reads {
  /** Names of the steps whose output or status is read. */
  steps: string[];
  /** Whether the list `needs` is read. */
  needs: boolean;
}

/** How many expressions there are, and their characters. */
export interface ExpressionSize {
  expressions: number;
  bytes: number;
}

export interface KnownSteps {
  /** All steps of the job. */
  all: ReadonlySet<string>;
  /** Those above the step that the expression belongs to; for a job's `output` all of them. */
  ancestors: ReadonlySet<string>;
}

/** In a larger job a suggestion is worth less than the time it takes to find among so many names. */
const SUGGEST_AMONG = 1000;

/** Checks an `if`. `usesStatusFunction` says whether it calls `success()`, `failure()` or `always()`. */
export function checkCondition(
  source: string,
  pointer: string,
  known: KnownSteps,
): { problems: ExpressionProblem[]; reads: Reads; usesStatusFunction: boolean } {
  const problems: ExpressionProblem[] = [];
  const bare = conditionSource(source);
  if (bare === undefined) {
    problems.push({ pointer, code: 'expression_invalid', detail: explain(source, ONE_EXPRESSION) });
    return { problems, reads: { steps: [], needs: false }, usesStatusFunction: false };
  }
  const program = programOf(bare);
  checkProgram(program, pointer, known, problems);
  if (program.type !== 'bool' && program.type !== 'dyn') {
    const detail = explain(
      bare,
      `an \`if\` must be true or false, and this is of type ${program.type}; compare it with something`,
    );
    problems.push({ pointer, code: 'expression_invalid', detail });
  }
  const reads = { steps: [...program.steps], needs: program.needs };
  return { problems, reads, usesStatusFunction: program.usesStatusFunction };
}

/**
 * Checks every expression of a template. It stops at `LIMITS.errorsPerProblem` problems, and at more than may be in it.
 * @returns `reads` is null when there is no `${{` in it at all: then rendering gives the template itself
 */
export function checkTemplate(
  template: Json,
  pointer: string,
  known: KnownSteps,
): { problems: ExpressionProblem[]; reads: Reads | null; size: ExpressionSize } {
  const problems: ExpressionProblem[] = [];
  const steps = new Set<string>();
  const size: ExpressionSize = { expressions: 0, bytes: 0 };
  let found = false;
  let needs = false;
  eachText(template, pointer, (text, at) => {
    if (problems.length >= LIMITS.errorsPerProblem || isTooMuch(size)) return;
    found = true;
    const parts = splitText(text);
    if (!parts) problems.push({ pointer: at, code: 'expression_invalid', detail: explain(text, UNCLOSED) });
    for (const part of parts ?? []) {
      if ('text' in part) continue;
      size.expressions++;
      size.bytes += part.source.length;
      if (isTooMuch(size)) {
        problems.push({ pointer, code: 'too_many_expressions', detail: TOO_MUCH });
        break;
      }
      const program = programOf(part.source);
      checkProgram(program, at, known, problems);
      if (program.usesStatusFunction) {
        problems.push({ pointer: at, code: 'expression_invalid', detail: explain(part.source, ONLY_IN_IF) });
      }
      for (const step of program.steps) steps.add(step);
      needs ||= program.needs;
    }
  });
  return {
    problems: problems.slice(0, LIMITS.errorsPerProblem),
    reads: found ? { steps: [...steps], needs } : null,
    size,
  };
}

/** All expressions of one value are compiled in one go, here and whenever it is rendered. */
function isTooMuch({ expressions, bytes }: ExpressionSize): boolean {
  return expressions > LIMITS.expressionsPerValue || bytes > LIMITS.expressionBytesPerValue;
}

const TOO_MUCH =
  `the expressions of one value are at most ${LIMITS.expressionsPerValue}, of ${LIMITS.expressionBytesPerValue} ` +
  'characters in all; make them fewer, by one that gives an object or a list, or part the step';

/** Visits the strings of a template that may hold an expression. Keys are literal. */
function eachText(template: Json, pointer: string, visit: (text: string, pointer: string) => void): void {
  if (typeof template === 'string') {
    if (mayHoldExpression(template)) visit(template, pointer);
  } else if (Array.isArray(template)) {
    for (const [i, item] of template.entries()) eachText(item, `${pointer}/${i}`, visit);
  } else if (template !== null && typeof template === 'object') {
    for (const [key, item] of Object.entries(template)) {
      if (typeof item !== 'string' || mayHoldExpression(item)) {
        eachText(item, `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, visit);
      }
    }
  }
}

function checkProgram(
  program: Program,
  pointer: string,
  known: KnownSteps,
  problems: ExpressionProblem[],
): void {
  for (const problem of program.problems) {
    problems.push({ pointer, code: program.code, detail: explain(program.source, problem) });
  }
  for (const step of program.steps) {
    if (known.ancestors.has(step)) continue;
    const isStep = known.all.has(step);
    const detail = isStep
      ? `step \`${step}\` is not above this one, so it may not have run yet; add it to \`needs\``
      : `there is no step \`${step}\`${suggestion(step, known.all)}`;
    problems.push({
      pointer,
      code: isStep ? 'not_an_ancestor' : 'unknown_step',
      detail: explain(program.source, detail),
    });
  }
}

function suggestion(name: string, all: ReadonlySet<string>): string {
  return all.size > SUGGEST_AMONG ? '' : didYouMean(name, all);
}
