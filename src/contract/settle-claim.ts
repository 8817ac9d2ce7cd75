import { type Static, Type } from 'typebox';
import { LIMITS } from '../domain/limits.ts';
import { Claim, ClaimBodyIn, ClaimId, Command } from './claim.ts';
import { AnyJson, Count, Duration, Named, OneOf } from './scalars.ts';

const strict = { additionalProperties: false };

const StepError = Type.Object(
  {
    code: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 100,
        description: 'A stable word for the kind of error; `failed` when absent.',
        examples: ['no_such_image'],
      }),
    ),
    message: Type.String({
      maxLength: LIMITS.errorMessageLength,
      description: 'What happened, for people.',
      examples: ['cat.png is not there'],
    }),
    details: Type.Optional(AnyJson('Anything more, for programs.')),
  },
  { ...strict, description: 'Why the attempt failed.' },
);

const retryable = Type.Optional(
  Type.Boolean({
    description: 'False: another attempt would not help, the step fails at once. True when absent.',
    examples: [true],
  }),
);
const retryAfter = Type.Optional(Duration('At least so long until the next attempt.', ['10s'], 0));
const output = Type.Optional(AnyJson('What the step gives to those that need it; null when absent.'));
const delay = Type.Optional(Duration('At least so long until anybody gets the step again.', ['5s'], 0));

export const CompleteBody = Type.Object({ output }, { $id: 'CompleteClaim', ...strict });
export const FailBody = Type.Object(
  { error: StepError, retryable, retry_after: retryAfter },
  { $id: 'FailClaim', ...strict },
);
export const ReleaseBody = Type.Object({ delay }, { $id: 'ReleaseClaim', ...strict });

export const CLAIM_OUTCOMES = ['succeeded', 'failed', 'retrying', 'released'] as const;
const outcome = OneOf(
  CLAIM_OUTCOMES,
  '`retrying`: the attempt failed, and the step gets another. `released`: it was given back, uncharged.',
  'succeeded',
);
const retryIn = Type.Optional(Count('Milliseconds until the step may be taken again; absent when at once.'));

export const SettledClaim = Type.Object(
  { id: ClaimId, outcome, retry_in_ms: retryIn },
  { $id: 'SettledClaim', ...strict },
);
export type SettledClaimBody = Static<typeof SettledClaim>;

export const SettleBatchBody = Type.Object(
  {
    outcomes: Type.Array(
      Type.Object(
        {
          id: ClaimId,
          output,
          error: Type.Optional(StepError),
          retryable,
          retry_after: retryAfter,
          release: Type.Optional(
            Type.Boolean({ description: 'True: give the step back, uncharged.', examples: [true] }),
          ),
          delay,
        },
        {
          ...strict,
          description: 'With `error` the attempt failed, with `release` it is given back, else it succeeded.',
        },
      ),
      { maxItems: LIMITS.claimsPerRequest, description: 'How attempts ended.' },
    ),
    claim: Type.Optional(Named(ClaimBodyIn)),
  },
  { $id: 'SettleClaims', ...strict },
);
export type SettleBatch = Static<typeof SettleBatchBody>;

export const SettledClaimList = Type.Object(
  {
    data: Type.Array(
      Type.Object(
        {
          id: ClaimId,
          status: Type.Integer({
            description: 'What the single call would have answered with: 200, 404, 409 or 422.',
            examples: [200],
          }),
          code: Type.Optional(
            Type.String({ description: 'The code of the problem, unless 200.', examples: ['claim_lost'] }),
          ),
          detail: Type.Optional(Type.String({ description: 'The same in words.' })),
          outcome: Type.Optional(outcome),
          retry_in_ms: retryIn,
        },
        strict,
      ),
      { description: 'In the order of the request; each for itself.' },
    ),
    claims: Type.Array(Named(Claim), { description: 'The next claims, if any were asked for.' }),
    command: Type.Optional(Command),
  },
  { $id: 'SettledClaimList', ...strict },
);
export type SettledClaimListBody = Static<typeof SettledClaimList>;
