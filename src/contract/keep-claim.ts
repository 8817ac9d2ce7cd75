import { type Static, Type } from 'typebox';
import { LIMITS } from '../domain/limits.ts';
import { ClaimId, Fraction, Ttl } from './claim.ts';
import { Count, Named, OneOf } from './scalars.ts';

const strict = { additionalProperties: false };

export const ExtendBody = Type.Object(
  { ttl: Type.Optional(Ttl), progress: Type.Optional(Fraction) },
  { $id: 'ExtendClaim', ...strict, description: 'Nothing, `{}`, or what is to be changed.' },
);
export const CLAIM_ACTIONS = ['continue', 'cancel', 'lost'] as const;
export const ExtendedClaim = Type.Object(
  {
    id: ClaimId,
    action: OneOf(
      CLAIM_ACTIONS,
      '`continue`: it is yours. `cancel`: the job was cancelled; stop. `lost`: somebody else may have it; stop.',
      'continue',
    ),
    expires_in_ms: Count('Milliseconds until the claim expires; 0 unless `continue`.'),
  },
  { $id: 'ExtendedClaim', ...strict },
);
export type ExtendedClaimBody = Static<typeof ExtendedClaim>;

export const ExtendBatchBody = Type.Object(
  {
    claims: Type.Array(
      Type.Object({ id: ClaimId, ttl: Type.Optional(Ttl), progress: Type.Optional(Fraction) }, strict),
      { maxItems: LIMITS.claimsPerRequest, description: 'The claims to extend, and only those.' },
    ),
  },
  { $id: 'ExtendClaims', ...strict },
);
export const ExtendedClaimList = Type.Object(
  { data: Type.Array(Named(ExtendedClaim), { description: 'In the order of the request.' }) },
  { $id: 'ExtendedClaimList', ...strict },
);

export const AppendedLog = Type.Object(
  { next_offset: Count('Where the next bytes belong.') },
  { $id: 'AppendedLog', ...strict },
);

export const AppendLogQuery = Type.Object(
  {
    offset: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 2_147_483_647,
        description:
          'Where these bytes belong: `next_offset` of the answer before, 0 at first. What is there already is not ' +
          'written twice. When absent they go to the end.',
        examples: [0],
      }),
    ),
  },
  strict,
);
