import { type Static, Type } from 'typebox';
import { Named } from './scalars.ts';

/** One thing that is wrong in a request, or worth knowing about it. */
export const ProblemEntry = Type.Object(
  {
    pointer: Type.String({
      description: 'JSON pointer into the body, or `/` and the name of a query parameter.',
      examples: ['/steps/1/needs/0'],
    }),
    code: Type.String({ description: 'Stable code of this entry.', examples: ['unknown_need'] }),
    detail: Type.String({ description: 'What is wrong and what to write instead.' }),
    line: Type.Optional(
      Type.Integer({
        minimum: 1,
        description:
          'The line of the body on which it stands, or on which stands what should hold it; only for bodies of several lines.',
        examples: [7],
      }),
    ),
  },
  { $id: 'ProblemEntry', additionalProperties: false },
);

/** What every answer that is no success looks like: RFC 9457, `application/problem+json`. */
export const Problem = Type.Object(
  {
    type: Type.String({
      format: 'uri-reference',
      description: 'Names the kind of problem, one for each code, and leads to a page about it.',
    }),
    title: Type.String({ description: 'The kind of problem in a few words, always the same for a code.' }),
    status: Type.Integer({ description: 'The HTTP status, again.' }),
    detail: Type.String({ description: 'What happened and what to do.' }),
    code: Type.String({ description: 'Stable code; branch on this.' }),
    instance: Type.String({ description: 'The path that was asked for.' }),
    request_id: Type.String({ description: "Also in the header `x-request-id` and in the server's log." }),
    reason: Type.Optional(
      Type.String({
        description: 'With `claim_lost`: how the claim ended, as a word.',
        examples: ['expired'],
      }),
    ),
    expected_offset: Type.Optional(
      Type.Integer({
        minimum: 0,
        description: 'With `expected_offset`: where the log of the attempt ends.',
        examples: [80],
      }),
    ),
    errors: Type.Array(Named(ProblemEntry), {
      description: 'Each thing that is wrong, at most 100; empty when `detail` says it all.',
    }),
  },
  { $id: 'Problem', additionalProperties: false },
);
export type ProblemBody = Static<typeof Problem>;
