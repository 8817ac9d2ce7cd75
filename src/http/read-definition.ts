import type { FastifyRequest } from 'fastify';
import { JobDefinition } from '../contract/job-definition.ts';
import { Named } from '../contract/scalars.ts';
import { AppError, type Problem } from '../domain/errors.ts';
import { isAboutAction, withoutServed } from '../domain/job-definition/actions.ts';
import { type NormalJob, normaliseInTurns } from '../domain/job-definition/normalise.ts';
import type { Json } from '../domain/json.ts';
import { LIMITS } from '../domain/limits.ts';
import { giveWay } from '../operations/give-way.ts';
import { addLines } from './bodies/read-bodies.ts';
import type { RouteContext } from './context.ts';
import { compileWithoutBody } from './validation.ts';

/** What a route says that takes a job definition: it is the same for those that store it and those that do not. */
export const TAKES_DEFINITION = {
  bodyLimit: LIMITS.submitBodyBytes,
  config: { takesYamlAndToml: true },
  // The definition is judged by rules that say more than its schema could.
  validatorCompiler: compileWithoutBody,
};

/** The `body` of such a route's schema. */
export const DEFINITION_BODY = {
  content: {
    'application/json': { schema: Named(JobDefinition) },
    'application/yaml': { schema: { type: 'string', description: 'A JobDefinition in YAML 1.2.' } },
    'application/toml': { schema: { type: 'string', description: 'A JobDefinition in TOML 1.0.' } },
  },
};

/**
 * The job that a request's body defines, and that body as a value; the warnings have lines where the body has. Throws
 * `invalid_definition` with everything that is wrong with it.
 */
export async function readDefinition(
  request: FastifyRequest,
  { actionChecks, readOffers }: RouteContext,
): Promise<{ job: NormalJob; body: Json }> {
  const body = request.body as Json | undefined;
  if (body === undefined) throw new AppError('invalid_json', 'the body is empty; send a job definition');
  const checked = await normaliseInTurns(body, actionChecks, giveWay());
  if (!checked.ok) throw invalidDefinition(await addLines(request, checked.problems));
  const [open = []] = await openWarnings([checked.job], readOffers);
  const warnings = await addLines(request, open);
  return { job: { ...checked.job, warnings }, body };
}

/**
 * What there still is to warn of in each job, now that workers are asked. Only those whose actions are not on here are
 * worth a look at the database; should that be away, the warnings stand.
 */
export async function openWarnings(
  jobs: readonly NormalJob[],
  readOffers: RouteContext['readOffers'],
): Promise<Problem[][]> {
  if (!jobs.some(({ warnings }) => warnings.some(isAboutAction))) return jobs.map(({ warnings }) => warnings);
  const { live } = await readOffers().catch(() => ({ live: [] }));
  return jobs.map((job) => withoutServed(job, live));
}

/** "This is no job", with everything that is wrong with it. */
export function invalidDefinition(problems: Problem[]): AppError {
  const [first] = problems as [Problem];
  const line = first.line === undefined ? [] : [`line ${first.line}`];
  const places = [...(first.pointer === '' ? [] : [`at ${first.pointer}`]), ...line];
  const one = `${first.detail}${places.length === 0 ? '' : ` (${places.join(', ')})`}`;
  const detail =
    problems.length > 1 ? `${problems.length} things are wrong, see \`errors\`; first: ${one}` : one;
  return new AppError('invalid_definition', detail, problems);
}
