import type { Problem } from '../errors.ts';
import type { Json, JsonObject } from '../json.ts';
import type { RetryPolicy } from '../retry-policy.ts';
import { findUnstorable } from '../storable.ts';
import { type ActionChecks, checkActions, warnOfActions } from './actions.ts';
import { checkExpressions, checkOutput, type StepReads } from './expressions.ts';
import { type JobHead, readHead } from './head.ts';
import { type ResolvedGraph, resolveNeeds } from './needs.ts';
import {
  collectProblems,
  describeValue,
  isObject,
  type Problems,
  refuseUnknownFields,
  type Section,
} from './read.ts';
import { inheritRetry } from './retry.ts';
import { readSteps, type StatedStep } from './steps.ts';
import { writeDefinition } from './write.ts';

/**
 * From what a user submits to what is stored. The other files of this folder are its parts: fields (names and
 * what others call them), read (single values), head and retry and steps (sections), needs (the graph), expressions,
 * actions, write (the normalised definition).
 */

/** A step, everything about it decided; ordinals stand for steps of the same job. */
export interface NormalStep extends RetryPolicy, StepReads {
  ordinal: number;
  name: string;
  uses: string;
  queue: string;
  /** In the order given. */
  needs: number[];
  dependents: number[];
  if: string | null;
  /** A template; null when absent. */
  with: Json;
  timeout_ms: number;
  max_attempts: number;
  max_losses: number;
  continue_on_error: boolean;
}

/** A job, everything about it decided, ready to be stored. */
export interface NormalJob {
  name: string;
  priority: number;
  labels: Record<string, string>;
  input: Json;
  /** Absolute; null when the job may start at once or after `delay_ms`. */
  run_at: Date | null;
  delay_ms: number | null;
  timeout_ms: number;
  max_parallel: number | null;
  fail_fast: boolean;
  /** A template; null when there is none. */
  output: Json;
  /** The steps that `output` reads; null when it holds no expression. */
  output_reads: number[] | null;
  steps: NormalStep[];
  /** The topological levels of the graph, by ordinals. */
  levels: number[][];
  /** What is lawful and yet may not be what was meant. */
  warnings: Problem[];
  /** The normalised definition, in the form in which it is submitted. */
  definition: JsonObject;
}

/** A job, or everything that is wrong with it, up to 100 problems in the order in which they were found. */
export type Normalised = { ok: true; job: NormalJob } | { ok: false; problems: Problem[] };

/**
 * Checks a submitted definition and fills in everything that it leaves open. Never throws, whatever the body; it keeps
 * references to parts of the body, which must not be changed afterwards.
 */
export function normaliseJob(body: Json, actions: ActionChecks): Normalised {
  const work = normalise(body, actions);
  for (;;) {
    const next = work.next();
    if (next.done) return next.value;
  }
}

/** The same, and awaits `turn` between its parts: of the largest job they take seconds together, none takes long. */
export async function normaliseInTurns(
  body: Json,
  actions: ActionChecks,
  turn: () => Promise<void>,
): Promise<Normalised> {
  const work = normalise(body, actions);
  for (;;) {
    const next = work.next();
    if (next.done) return next.value;
    await turn();
  }
}

function* normalise(body: Json, actions: ActionChecks): Generator<void, Normalised> {
  const problems = collectProblems();
  if (!isObject(body)) {
    problems.add('', 'invalid_value', `a job must be a JSON object; ${describeValue(body)}`);
    return { ok: false, problems: problems.list };
  }
  if (!isStorable(body, problems)) return { ok: false, problems: problems.list };
  yield;
  const section: Section = { fields: body, pointer: '', problems };
  refuseUnknownFields(section, 'job');
  const head = readHead(section);
  const steps = readSteps(section);
  yield;
  const graph = resolveNeeds(steps, problems);
  yield;
  yield* checkActions(steps, actions, problems);
  const reads = yield* checkExpressions(steps, graph, problems);
  const output_reads = checkOutput(head.output, graph, problems);
  if (problems.list.length > 0 || graph.levels === null) return { ok: false, problems: problems.list };
  return {
    ok: true,
    job: assemble(head, steps, graph, { reads, output_reads, levels: graph.levels }, actions),
  };
}

/** Whether the rest may look at the body: what is nested too deep would exhaust the stack of others. */
function isStorable(body: JsonObject, problems: Problems): boolean {
  let tooDeep = false;
  findUnstorable(body, '', (problem) => {
    tooDeep ||= problem.code === 'too_deep';
    problems.add(problem.pointer, problem.code, problem.detail);
  });
  return !tooDeep;
}

function assemble(
  head: JobHead,
  steps: readonly StatedStep[],
  graph: ResolvedGraph,
  found: { reads: StepReads[]; output_reads: number[] | null; levels: number[][] },
  actions: ActionChecks,
): NormalJob {
  const { queue: _queue, defaults: _defaults, ...job } = head;
  return {
    ...job,
    output_reads: found.output_reads,
    steps: steps.map((step, ordinal) => ({
      ...toStep(step, ordinal, head),
      ...(found.reads[ordinal] as StepReads),
      needs: graph.needs[ordinal] as number[],
      dependents: graph.dependents[ordinal] as number[],
    })),
    levels: found.levels,
    warnings: [...warnOfActions(steps, actions), ...warnOfRetries(steps, head)],
    definition: writeDefinition(head, steps, graph.needs),
  };
}

function toStep(step: StatedStep, ordinal: number, head: JobHead) {
  const retry = inheritRetry(step.retry, head.defaults.retry);
  return {
    ordinal,
    name: step.name as string,
    uses: step.uses as string,
    queue: step.queue ?? head.queue,
    if: step.if,
    with: step.with,
    timeout_ms: step.timeout ?? head.defaults.timeout,
    max_attempts: retry.max_attempts,
    max_losses: retry.max_losses,
    backoff: retry.backoff,
    retry_delay_ms: retry.delay,
    retry_max_delay_ms: retry.max_delay,
    retry_jitter: retry.jitter,
    continue_on_error: step.continue_on_error,
  };
}

/** A step that spaces its retries and has none: most likely `max_attempts` was forgotten. */
function warnOfRetries(steps: readonly StatedStep[], head: JobHead): Problem[] {
  const idle = steps.find(({ retry }) => {
    const spaced = retry.delay ?? retry.max_delay ?? retry.backoff ?? retry.jitter;
    return spaced !== undefined && (retry.max_attempts ?? head.defaults.retry.max_attempts) === 1;
  });
  if (idle === undefined) return [];
  const detail = '`max_attempts` is 1, so this step is never retried; `max_attempts: 3` retries twice';
  return [{ pointer: `${idle.pointer}/retry`, code: 'never_retried', detail }];
}
