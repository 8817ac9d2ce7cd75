import { EXAMPLE_HEARTBEAT, EXAMPLE_HEARTBEAT_ANSWER } from '../../contract/example-worker.ts';
import { NoQuery } from '../../contract/requests.ts';
import { Named } from '../../contract/scalars.ts';
import { HeartbeatAnswer, HeartbeatBody, WorkerParams } from '../../contract/worker.ts';
import { parseClaimId } from '../../domain/claim-id.ts';
import { heartbeat, type KeptClaim } from '../../operations/heartbeat.ts';
import { answers, BODY_CODES, DATABASE_CODES } from '../answers.ts';
import type { App, RouteContext } from '../context.ts';
import { workerIdOf } from '../find-worker.ts';

const schema = {
  operationId: 'sendHeartbeat',
  summary: 'Send a heartbeat',
  description:
    'Says that the worker lives, and extends the claims that it lists, each by the ttl it was made with. The answer ' +
    'says what became of each claim, and what the worker is to do. One that is silent for 35 s counts as gone; its ' +
    'claims expire by themselves.',
  tags: ['workers'],
  params: WorkerParams,
  querystring: NoQuery,
  body: Named(HeartbeatBody),
  'x-optional-body': true,
  'x-body-examples': {
    'application/json': {
      one: { summary: 'One step runs', value: EXAMPLE_HEARTBEAT },
      none: { summary: 'None runs', value: {} },
    },
  },
  response: answers(
    {
      200: {
        description: 'What to do.',
        schema: Named(HeartbeatAnswer),
        example: EXAMPLE_HEARTBEAT_ANSWER,
      },
    },
    ['invalid_query', 'worker_not_found', 'worker_is_server', ...BODY_CODES, ...DATABASE_CODES],
  ),
};

/** `POST /v1/workers/{id}/heartbeat`. */
export function addHeartbeatRoute(app: App, { vital, claimTtlMs, reportProgress }: RouteContext): void {
  const config = { bodyIsOptional: true };
  app.post('/v1/workers/:id/heartbeat', { schema, config }, async ({ params, body }) => {
    const listed = (body.claims ?? []).map((claim) => ({ ...claim, key: parseClaimId(claim.id) }));
    const keys = listed.map(({ key }) => key);
    const { command, claims } = await heartbeat(vital, workerIdOf(params), keys, claimTtlMs);
    const told = listed.map(({ id, key, progress }, index) => {
      const { action, expires_in_ms } = claims[index] as KeptClaim;
      if (action === 'continue' && key !== null && progress !== undefined)
        reportProgress({ ...key, progress });
      return { id, action, expires_in_ms };
    });
    return { command, claims: told };
  });
}
