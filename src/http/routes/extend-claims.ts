import { ClaimParams, EXAMPLE_CLAIM_ID } from '../../contract/claim.ts';
import {
  ExtendBatchBody,
  ExtendBody,
  ExtendedClaim,
  type ExtendedClaimBody,
  ExtendedClaimList,
} from '../../contract/keep-claim.ts';
import { NoQuery } from '../../contract/requests.ts';
import { Named } from '../../contract/scalars.ts';
import { claimRefusal } from '../../domain/claim-end.ts';
import { type ClaimKey, parseClaimId } from '../../domain/claim-id.ts';
import { LIMITS } from '../../domain/limits.ts';
import { extendListed, type ListedClaim } from '../../operations/extend-claims.ts';
import { answers, BODY_CODES, DATABASE_CODES } from '../answers.ts';
import { readDuration } from '../claim-request.ts';
import type { App, RouteContext } from '../context.ts';

const EXAMPLE: ExtendedClaimBody = { id: EXAMPLE_CLAIM_ID, action: 'continue', expires_in_ms: 60_000 };

const one = {
  operationId: 'extendClaim',
  summary: 'Extend a claim',
  description:
    'The claim is valid for `ttl` from now on, without it for as long as it was granted for; never past the time that ' +
    'the attempt or the job has. It is not added to what is left, so a shorter `ttl` brings the end nearer. A claim ' +
    'that has expired is still valid until somebody gives its step to others. The answer `cancel` says that the job ' +
    'was cancelled: stop the work.',
  tags: ['claims'],
  params: ClaimParams,
  querystring: NoQuery,
  body: Named(ExtendBody),
  'x-optional-body': true,
  'x-body-examples': {
    'application/json': {
      further: { summary: 'Half done, and a minute more', value: { ttl: '1m', progress: 0.5 } },
      again: { summary: 'As it was granted', value: {} },
    },
  },
  response: answers(
    {
      200: {
        description: 'What to do, and how long the claim is valid now.',
        schema: Named(ExtendedClaim),
        example: EXAMPLE,
      },
    },
    [
      ...(['invalid_query', 'claim_not_found', 'claim_lost', 'claim_settled'] as const),
      ...BODY_CODES,
      ...DATABASE_CODES,
    ],
  ),
};

const many = {
  operationId: 'extendClaims',
  summary: 'Extend many claims at once',
  description:
    `Up to ${LIMITS.claimsPerRequest} claims, each with a \`ttl\` and \`progress\` of its own if it likes. Only those ` +
    'that are listed are extended. One that is not valid any more does not keep the others from it: it is answered ' +
    '`cancel` when its job was cancelled, else `lost`.',
  tags: ['claims'],
  querystring: NoQuery,
  body: Named(ExtendBatchBody),
  'x-body-examples': {
    'application/json': {
      one: {
        summary: 'What runs here',
        value: { claims: [{ id: EXAMPLE_CLAIM_ID, ttl: '1m', progress: 0.5 }] },
      },
    },
  },
  response: answers(
    {
      200: {
        description: 'What to do about each, in the order of the request.',
        schema: Named(ExtendedClaimList),
        example: { data: [EXAMPLE] },
      },
    },
    ['invalid_query', ...BODY_CODES, ...DATABASE_CODES],
  ),
};

const BOUNDS = { min: LIMITS.claimTtlMin, max: LIMITS.claimTtlMax };

/** `POST /v1/claims/{id}/extend` and `POST /v1/claims/extend`. */
export function addExtendRoutes(app: App, { vital, claimTtlMs, reportProgress }: RouteContext): void {
  const config = { bodyIsOptional: true };
  app.post('/v1/claims/:id/extend', { schema: one, config }, async ({ params: { id }, body }) => {
    const [extended] = await extend([listedOf({ id, ...body }, '')]);
    const { action, expires_in_ms, end } = extended as Extended;
    if (action === 'lost' && end.kind !== 'running') throw claimRefusal(end);
    return { id, action, expires_in_ms };
  });
  app.post('/v1/claims/extend', { schema: many }, async ({ body }) => {
    const listed = body.claims.map((claim, index) => listedOf(claim, `/claims/${index}`));
    const extended = await extend(listed);
    return { data: extended.map(({ id, action, expires_in_ms }) => ({ id, action, expires_in_ms })) };
  });

  async function extend(listed: Listed[]) {
    const extended = await extendListed(vital, listed, claimTtlMs);
    return extended.map((told, index) => {
      const { id, key, progress } = listed[index] as Listed;
      if (told.action === 'continue' && progress !== undefined)
        reportProgress({ ...(key as ClaimKey), progress });
      return { id, ...told };
    });
  }
  type Extended = Awaited<ReturnType<typeof extend>>[number];
}

type Listed = ListedClaim & { id: string; progress: number | undefined };

function listedOf(
  { id, ttl, progress }: { id: string; ttl?: string | number; progress?: number },
  pointer: string,
): Listed {
  const ttlMs = ttl === undefined ? null : readDuration(ttl, `${pointer}/ttl`, BOUNDS);
  return { id, key: parseClaimId(id), ttlMs, progress };
}
