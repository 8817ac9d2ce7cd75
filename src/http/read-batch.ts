import type { FastifyRequest } from 'fastify';
import { AppError, type Problem } from '../domain/errors.ts';
import { type NormalJob, normaliseInTurns } from '../domain/job-definition/normalise.ts';
import { collectProblems, describeValue, isObject, type Problems } from '../domain/job-definition/read.ts';
import type { Json } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import { pointerTo } from '../domain/storable.ts';
import { giveWay } from '../operations/give-way.ts';
import { addLines } from './bodies/read-bodies.ts';
import type { RouteContext } from './context.ts';
import { batchHash, requestHash } from './idempotency.ts';
import { invalidDefinition, openWarnings } from './read-definition.ts';

/** The jobs of a batch, in order, what there is to warn of for each, and what the whole says, as a hash. */
export interface ReadBatch {
  jobs: NormalJob[];
  warnings: Problem[][];
  hash: string;
}

/**
 * The jobs that a request's body `{jobs: […]}` defines. Throws `invalid_definition` with what is wrong with all of
 * them, up to 100 things; pointers, of warnings too, are those of the body. Gives way in between: a batch as large as
 * may be takes seconds to check, in which nothing else would be answered.
 */
export async function readBatch(
  request: FastifyRequest,
  { actionChecks, readOffers }: RouteContext,
): Promise<ReadBatch> {
  const body = request.body as Json | undefined;
  if (body === undefined) throw new AppError('invalid_json', 'the body is empty; send {"jobs": […]}');
  const problems = collectProblems();
  const definitions = definitionsOf(body, problems);
  const jobs: NormalJob[] = [];
  const hashes: string[] = [];
  const size = { steps: 0, needs: 0 };
  const turn = giveWay();
  for (const [index, definition] of definitions.entries()) {
    if (problems.isFull() || !fits(definition, size, problems)) break;
    const checked = await normaliseInTurns(definition, actionChecks, turn);
    if (checked.ok) jobs.push(checked.job);
    else for (const problem of checked.problems) problems.add(...below(problem, index));
    hashes.push(await requestHash(definition, turn));
  }
  if (problems.list.length > 0) throw invalidDefinition(await addLines(request, problems.list));
  const warnings = await warningsOf(request, await openWarnings(jobs, readOffers));
  // The answer is made later, and the text may be large.
  request.bodySource = null;
  return { jobs, warnings, hash: batchHash(hashes) };
}

function definitionsOf(body: Json, problems: Problems): Json[] {
  if (!isObject(body)) {
    problems.add('', 'invalid_value', `a batch must be {"jobs": […]}; ${describeValue(body)}`);
    return [];
  }
  const { jobs } = body;
  // Not by taking the others apart: of a million keys that copy takes seconds.
  for (const key of Object.keys(body)) {
    if (key === 'jobs') continue;
    if (problems.isFull()) break;
    const shown = key.length > 60 ? `${key.slice(0, 60)}…` : key;
    const detail = `\`${shown}\` is not a field; a batch has \`jobs\` alone, and each job its own fields`;
    problems.add(pointerTo('', key), 'unknown_field', detail);
  }
  if (jobs === undefined) {
    problems.add('', 'missing_field', '`jobs` is missing: the list of job definitions');
  } else if (!Array.isArray(jobs)) {
    problems.add(
      '/jobs',
      'invalid_value',
      `\`jobs\` must be a list of job definitions; ${describeValue(jobs)}`,
    );
  } else if (jobs.length === 0) {
    problems.add('/jobs', 'no_jobs', 'a batch has at least one job');
  } else if (jobs.length > LIMITS.jobsPerBatch) {
    const detail = `${jobs.length} jobs; a batch has at most ${LIMITS.jobsPerBatch}: send several`;
    problems.add('/jobs', 'too_many_jobs', detail);
  } else {
    return jobs;
  }
  return [];
}

// Counted before a job is looked at: what passes the limits is not worth the time.
function fits(definition: Json, size: { steps: number; needs: number }, problems: Problems): boolean {
  const steps = isObject(definition) && Array.isArray(definition.steps) ? definition.steps : [];
  size.steps += Math.max(1, steps.length);
  for (const step of steps) {
    if (!isObject(step)) continue;
    size.needs += lengthOf(step.needs) + lengthOf(step.enables);
  }
  if (size.steps > LIMITS.stepsPerBatch) {
    const detail = `a batch has at most ${LIMITS.stepsPerBatch} steps in all; send several`;
    problems.add('/jobs', 'too_many_steps', detail);
  } else if (size.needs > LIMITS.needsPerBatch) {
    const detail = `a batch has at most ${LIMITS.needsPerBatch} needs in all; send several`;
    problems.add('/jobs', 'too_many_needs', detail);
  } else {
    return true;
  }
  return false;
}

function lengthOf(list: Json | undefined): number {
  return Array.isArray(list) ? list.length : 0;
}

function below({ pointer, code, detail }: Problem, index: number): [string, string, string] {
  return [`/jobs/${index}${pointer}`, code, detail];
}

/** The warnings of each job; the lines of all of them are looked for at once, since that goes through the text. */
async function warningsOf(request: FastifyRequest, jobs: readonly Problem[][]): Promise<Problem[][]> {
  const all = jobs.flatMap((warnings, index) =>
    warnings.map((warning) => ({ ...warning, pointer: `/jobs/${index}${warning.pointer}` })),
  );
  const withLines = await addLines(request, all);
  return jobs.map((warnings) => withLines.splice(0, warnings.length));
}
