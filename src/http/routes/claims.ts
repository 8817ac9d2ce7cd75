import { ClaimBodyIn, ClaimList } from '../../contract/claim.ts';
import { EXAMPLE_CLAIM_LIST, EXAMPLE_CLAIM_REQUEST } from '../../contract/example-claim.ts';
import { NoQuery } from '../../contract/requests.ts';
import { Named } from '../../contract/scalars.ts';
import { answers, BODY_CODES, DATABASE_CODES } from '../answers.ts';
import { claimBody, goneSignal, readAsk } from '../claim-request.ts';
import type { App, RouteContext } from '../context.ts';

const schema = {
  operationId: 'claimSteps',
  summary: 'Claim steps',
  tags: ['claims'],
  description:
    'Gives a worker steps to run, best first, each with a claim: the exclusive right to run it, which expires unless ' +
    'it is extended. With `wait` the answer comes as soon as something is ready. Who asks again under the same ' +
    '`request_id` gets what was granted before.',
  querystring: NoQuery,
  body: Named(ClaimBodyIn),
  'x-body-examples': {
    'application/json': { wait: { summary: 'Wait for one step', value: EXAMPLE_CLAIM_REQUEST } },
  },
  response: answers(
    {
      200: {
        description: 'What there was to take; nothing when the time was over, or the worker is to leave.',
        schema: Named(ClaimList),
        example: EXAMPLE_CLAIM_LIST,
      },
    },
    ['worker_not_found', 'too_many_waiting', ...BODY_CODES, ...DATABASE_CODES],
  ),
};

/** `POST /v1/claims`. */
export function addClaimRoute(app: App, { desk, claimTtlMs }: RouteContext): void {
  app.post('/v1/claims', { schema }, async (request, reply) => {
    const ask = readAsk(request.body, { pointer: '', claimTtlMs, gone: goneSignal(reply) });
    request.letBodyGo();
    const { handouts, command } = await desk.claim(ask);
    return { data: handouts.map(claimBody), command };
  });
}
