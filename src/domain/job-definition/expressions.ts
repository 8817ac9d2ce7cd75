import {
  checkCondition,
  checkTemplate,
  type ExpressionSize,
  type KnownSteps,
  type Reads,
} from '../expression/check.ts';
import type { Json } from '../json.ts';
import { LIMITS } from '../limits.ts';
import { readsNotAbove } from './graph.ts';
import type { ResolvedGraph } from './needs.ts';
import type { Problems } from './read.ts';
import type { StatedStep } from './steps.ts';

/** What a step's expressions read, by ordinals in ascending order. */
export interface StepReads {
  if_uses_status: boolean;
  if_reads: number[];
  /** Null when `with` holds no expression. */
  with_reads: number[] | null;
  with_reads_needs: boolean;
}

/** Checks the expressions of all steps, one step a turn, and gives what they read. */
export function* checkExpressions(
  steps: readonly StatedStep[],
  graph: ResolvedGraph,
  problems: Problems,
): Generator<void, StepReads[]> {
  const all = new Set(graph.ordinalOf.keys());
  // First as if every step were above every other one; who really is, is asked of the whole graph at once.
  const anywhere: KnownSteps = { all, ancestors: all };
  const reads: StepReads[] = [];
  const size: ExpressionSize = { expressions: 0, bytes: 0 };
  for (const [ordinal, step] of steps.entries()) {
    const checked = checkStep(step, ordinal, anywhere, graph, problems);
    reads.push(checked.reads);
    size.expressions += checked.size.expressions;
    size.bytes += checked.size.bytes;
    // What is refused anyway need not be looked at to its end.
    if (problems.isFull() || refuseTooMuch(size, problems)) return reads;
    yield;
  }
  if (graph.levels === null) return reads;
  const named = reads.map((read) => [...new Set([...read.if_reads, ...(read.with_reads ?? [])])]);
  const strangers = new Set(readsNotAbove(graph.needs, graph.levels, named).map(({ step }) => step));
  for (const ordinal of strangers) {
    const step = steps[ordinal] as StatedStep;
    const known = { all, ancestors: ancestorsOf(ordinal, steps, graph) };
    for (const problem of checkBoth(step, known).problems) {
      if (problem.code === 'not_an_ancestor') problems.add(problem.pointer, problem.code, problem.detail);
    }
    if (problems.isFull()) break;
    yield;
  }
  return reads;
}

function refuseTooMuch({ expressions, bytes }: ExpressionSize, problems: Problems): boolean {
  const { expressionsPerJob, expressionBytesPerJob } = LIMITS;
  if (expressions <= expressionsPerJob && bytes <= expressionBytesPerJob) return false;
  const most = `${expressionsPerJob} expressions, of ${expressionBytesPerJob} characters in all`;
  problems.add('/steps', 'too_many_expressions', `a job has at most ${most}; make it several jobs`);
  return true;
}

const NO_CONDITION = { problems: [], reads: { steps: [], needs: false }, usesStatusFunction: false };

function checkBoth(step: StatedStep, known: KnownSteps) {
  const condition = step.if === null ? NO_CONDITION : checkCondition(step.if, `${step.pointer}/if`, known);
  const template = checkTemplate(step.with, `${step.pointer}/with`, known);
  return { condition, template, problems: [...condition.problems, ...template.problems] };
}

function checkStep(
  step: StatedStep,
  ordinal: number,
  known: KnownSteps,
  graph: ResolvedGraph,
  problems: Problems,
): { reads: StepReads; size: ExpressionSize } {
  const { condition, template, problems: found } = checkBoth(step, known);
  for (const problem of found) problems.add(problem.pointer, problem.code, problem.detail);
  const needs = graph.needs[ordinal] as number[];
  const reads = {
    if_uses_status: condition.usesStatusFunction,
    if_reads: toOrdinals(condition.reads, needs, graph.ordinalOf),
    with_reads: template.reads && toOrdinals(template.reads, needs, graph.ordinalOf),
    with_reads_needs: template.reads?.needs ?? false,
  };
  return { reads, size: template.size };
}

function toOrdinals(
  reads: Reads,
  needs: readonly number[],
  ordinalOf: ReadonlyMap<string, number>,
): number[] {
  if (reads.steps.length === 0 && !reads.needs) return [];
  const ordinals = new Set(reads.needs ? needs : []);
  for (const name of reads.steps) {
    const ordinal = ordinalOf.get(name);
    if (ordinal !== undefined) ordinals.add(ordinal);
  }
  return [...ordinals].sort((a, b) => a - b);
}

/** The names of all steps above one. Only asked for a step that is about to be refused. */
function ancestorsOf(ordinal: number, steps: readonly StatedStep[], graph: ResolvedGraph): Set<string> {
  const seen = new Set<number>();
  const open = [...(graph.needs[ordinal] as number[])];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    for (const need of graph.needs[next] as number[]) open.push(need);
  }
  return new Set([...seen].map((above) => (steps[above] as StatedStep).name as string));
}

/** Checks the job's `output`, which may read every step. Gives what it reads, null when it holds no expression. */
export function checkOutput(output: Json, graph: ResolvedGraph, problems: Problems): number[] | null {
  const all = new Set(graph.ordinalOf.keys());
  const { problems: found, reads } = checkTemplate(output, '/output', { all, ancestors: all });
  for (const problem of found) problems.add(problem.pointer, problem.code, problem.detail);
  if (reads?.needs) {
    const detail = '`needs` are those of a step; in the `output` of a job say `steps.<name>.output`';
    problems.add('/output', 'expression_invalid', detail);
  }
  return reads && toOrdinals({ ...reads, needs: false }, [], graph.ordinalOf);
}
