import { LIMITS } from '../limits.ts';
import { type Findings, inspect, oddStepHint } from './guard.ts';
import { parse, ROOTS } from './language.ts';
import { type LanguageError, summaryOf } from './message.ts';
import { installMeter } from './meter.ts';

/** An expression that was parsed, inspected and made to pay for what it does. */
export interface Program extends Findings {
  source: string;
  /** What code its problems have. */
  code: 'expression_invalid' | 'expression_too_large';
  /** The type that it yields as far as that is known beforehand, else `dyn`. */
  type: string;
  /** Evaluates it; throws on an evaluation error, and the first of its problems if there are any. */
  evaluate(context: object): unknown;
}

/** Sources kept in one generation, in characters: a syntax tree takes some two hundred bytes for each. */
const KEPT = 64 * 1024;
// Two generations instead of an order of use: a hit then only reads, and a whole generation goes at once.
let recent = new Map<string, Program>();
let older = new Map<string, Program>();
let kept = 0;

/** Gives the program of an expression, from the ones kept where it was used before. Never throws. */
export function programOf(source: string): Program {
  const known = recent.get(source);
  if (known) return known;
  const program = older.get(source) ?? compile(source);
  if (program.code !== 'expression_too_large') keep(source, program);
  return program;
}

function keep(source: string, program: Program): void {
  recent.set(source, program);
  kept += source.length;
  if (kept <= KEPT) return;
  older = recent;
  recent = new Map();
  kept = 0;
}

/** What stands for evaluation where an expression must not run. */
function refuse(problem: string): () => never {
  return () => {
    throw new Error(problem);
  };
}

function refused(source: string, problem: string, code: Program['code'] = 'expression_invalid'): Program {
  const nothing = { steps: new Set<string>(), needs: false, usesStatusFunction: false };
  return { source, code, type: 'dyn', problems: [problem], ...nothing, evaluate: refuse(problem) };
}

function compile(source: string): Program {
  if (source === '') return refused(source, 'there is nothing in it');
  if (Buffer.byteLength(source) > LIMITS.expressionBytes) {
    const limit = `${LIMITS.expressionBytes} bytes are the most that an expression may take`;
    return refused(source, limit, 'expression_too_large');
  }
  try {
    const parsed = parse(source);
    const findings = inspect(parsed.root);
    const [problem] = findings.problems;
    // Types come last: `steps.build-image` is better explained by what was found than as an unknown `image`.
    if (problem !== undefined) return { ...refused(source, problem), ...findings };
    const type = parsed.check();
    installMeter(parsed.root);
    return { source, code: 'expression_invalid', type, ...findings, evaluate: parsed.evaluate };
  } catch (error) {
    return refusedBy(source, error as LanguageError);
  }
}

function refusedBy(source: string, error: LanguageError): Program {
  if (error.code === 'limit_exceeded' || error instanceof RangeError) {
    return refused(source, 'it has too many parts or is nested too deep', 'expression_too_large');
  }
  const summary = summaryOf(error);
  if (error.code === 'unknown_variable') {
    return refused(source, `${summary}; expressions can use ${[...ROOTS].join(', ')}`);
  }
  if (error.code === 'incompatible_ternary_branches') return refused(source, `${summary}; wrap one in dyn()`);
  const hint = oddStepHint(source);
  return refused(source, hint ? `${summary}; ${hint}` : summary);
}
