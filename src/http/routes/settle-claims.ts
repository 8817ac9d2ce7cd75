import { ClaimParams } from '../../contract/claim.ts';
import * as example from '../../contract/example-claim.ts';
import { NoQuery } from '../../contract/requests.ts';
import { Named } from '../../contract/scalars.ts';
import {
  CompleteBody,
  FailBody,
  ReleaseBody,
  SettleBatchBody,
  SettledClaim,
  type SettledClaimBody,
  SettledClaimList,
} from '../../contract/settle-claim.ts';
import { formatClaimId } from '../../domain/claim-id.ts';
import { AppError, type ErrorCode } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import { lookUpClaims } from '../../operations/look-up-claims.ts';
import type { RemoteRequest } from '../../operations/remote-desk.ts';
import { answers, BODY_CODES, DATABASE_CODES } from '../answers.ts';
import {
  answerOutcome,
  batchItem,
  type OutcomeAnswer,
  type ReadOutcome,
  readOutcome,
  type SaidOutcome,
} from '../claim-outcome.ts';
import { claimBody, goneSignal, readAsk } from '../claim-request.ts';
import type { App, RouteContext } from '../context.ts';

const complete = {
  ...verbSchema('completeClaim', 'Complete a claim', example.EXAMPLE_COMPLETE, example.EXAMPLE_COMPLETED),
  description: 'The attempt succeeded; the step settles, with what follows from it, before the answer comes.',
  body: CompleteBody,
  'x-optional-body': true,
};
const fail = {
  ...verbSchema('failClaim', 'Fail a claim', example.EXAMPLE_FAIL, example.EXAMPLE_FAILED),
  description:
    'The attempt failed. The step gets another one while its `retry` allows, unless `retryable` is false.',
  body: FailBody,
};
const release = {
  ...verbSchema('releaseClaim', 'Release a claim', example.EXAMPLE_RELEASE, example.EXAMPLE_RELEASED),
  description: 'Gives the step back to be run by others; this counts neither as a failure nor as a loss.',
  body: ReleaseBody,
  'x-optional-body': true,
};
const settle = {
  operationId: 'settleClaims',
  summary: 'Settle claims, and claim the next',
  tags: ['claims'],
  description:
    'Ends many attempts in one call, each for itself: what is wrong with one is said in its place. With `claim` the ' +
    'answer holds the next steps, first of all those that became ready by these outcomes.',
  querystring: NoQuery,
  body: SettleBatchBody,
  'x-body-examples': {
    'application/json': { next: { summary: 'One done, one more please', value: example.EXAMPLE_SETTLE } },
  },
  response: answers(
    {
      200: {
        description: 'What came of each, after it was committed.',
        schema: Named(SettledClaimList),
        example: example.EXAMPLE_SETTLED,
      },
    },
    ['worker_not_found', 'too_many_waiting', ...BODY_CODES, ...DATABASE_CODES],
  ),
};

/** `POST /v1/claims/{id}/complete`, `…/fail`, `…/release` and `POST /v1/claims/settle`. */
export function addSettleRoutes(app: App, context: RouteContext): void {
  const optional = { bodyIsOptional: true };
  app.post('/v1/claims/:id/complete', { schema: complete, config: optional }, async ({ params, body }) =>
    settleOne(context, { ...body, ...params }),
  );
  app.post('/v1/claims/:id/fail', { schema: fail }, async ({ params, body }) =>
    settleOne(context, { ...body, ...params }),
  );
  app.post('/v1/claims/:id/release', { schema: release, config: optional }, async ({ params, body }) =>
    settleOne(context, { ...body, ...params, release: true }),
  );
  app.post(
    '/v1/claims/settle',
    { schema: settle, bodyLimit: LIMITS.settleBodyBytes },
    async (request, reply) => {
      const { claim, outcomes } = request.body;
      const { claimTtlMs, desk, staleWrites } = context;
      const gone = goneSignal(reply);
      const next = claim === undefined ? null : readAsk(claim, { pointer: '/claim', claimTtlMs, gone });
      const { data, handed } = await settleAll(context, outcomes.splice(0), next);
      const stale = data.filter(({ code }) => code === 'claim_lost').length;
      if (stale > 0) staleWrites(stale);
      if (next === null) return { data, claims: [] };
      // The answer may wait for the next steps, and others must have room for what they say.
      request.letBodyGo();
      const { handouts, command } = handed ?? (await desk.claim(next));
      return { data, claims: handouts.map(claimBody), command };
    },
  );
}

async function settleOne(context: RouteContext, said: SaidOutcome): Promise<SettledClaimBody> {
  const read = readOutcome(said, '');
  const { results } = await context.desk.settle([read.outcome], null);
  const result = results[0] ?? 'claim_lost';
  const ends = result === 'claim_lost' ? await lookUpClaims(context.workers, [read.outcome]) : new Map();
  const answer = answerOutcome(read, result, ends);
  if (answer instanceof AppError) throw answer;
  return answer;
}

async function settleAll(context: RouteContext, said: readonly SaidOutcome[], next: RemoteRequest | null) {
  const items = said.map((one, index) => readItem(one, `/outcomes/${index}`));
  const reads = items.filter((item): item is ReadOutcome => 'verb' in item);
  const outcomes = reads.map(({ outcome }) => outcome);
  const { results, handed } = await context.desk.settle(outcomes, next);
  const stale = outcomes.filter((_, index) => results[index] === 'claim_lost');
  const ends = await lookUpClaims(context.workers, stale);
  let at = 0;
  const data: OutcomeAnswer[] = items.map((item) => {
    if (!('verb' in item)) return item;
    const id = formatClaimId(item.outcome);
    const answer = batchItem(id, answerOutcome(item, results[at] ?? 'claim_lost', ends));
    at += 1;
    return answer;
  });
  return { data, handed };
}

// What is wrong with one outcome is its own affair: the others are settled.
function readItem(said: SaidOutcome, pointer: string): ReadOutcome | OutcomeAnswer {
  try {
    return readOutcome(said, pointer);
  } catch (error) {
    if (error instanceof AppError) return batchItem(said.id, error);
    throw error;
  }
}

function verbSchema(operationId: string, summary: string, body: object, answer: SettledClaimBody) {
  const codes: ErrorCode[] = ['claim_not_found', 'claim_lost', 'claim_settled', 'too_many_waiting'];
  return {
    operationId,
    summary,
    tags: ['claims'],
    params: ClaimParams,
    querystring: NoQuery,
    'x-body-examples': { 'application/json': { usual: { summary: 'As it usually is', value: body } } },
    response: answers(
      {
        200: {
          description: 'It is committed; the same call again gets the same answer.',
          schema: Named(SettledClaim),
          example: answer,
        },
      },
      [...codes, ...BODY_CODES, ...DATABASE_CODES],
    ),
  };
}
