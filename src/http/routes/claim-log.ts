import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { ClaimParams } from '../../contract/claim.ts';
import { AppendedLog, AppendLogQuery } from '../../contract/keep-claim.ts';
import { Named } from '../../contract/scalars.ts';
import { claimRefusal } from '../../domain/claim-end.ts';
import { parseClaimId } from '../../domain/claim-id.ts';
import { LIMITS } from '../../domain/limits.ts';
import { appendClaimLog } from '../../operations/append-claim-log.ts';
import { answers, DATABASE_CODES } from '../answers.ts';
import { unsupportedMediaType } from '../bodies/unsupported-type.ts';
import type { App, RouteContext } from '../context.ts';
import { compileWithoutBody } from '../validation.ts';

const LINES = 'opened cat.png\nmade it 320 pixels wide\n';
const lines = { lines: { summary: 'Two lines', value: LINES } };

const schema = {
  operationId: 'appendLog',
  summary: 'Append to the log of a step',
  description:
    'Adds bytes to the log of the attempt, which anybody can read. With `offset` nothing is missing and nothing stands ' +
    'there twice, however often a request is sent again: of bytes that are there already only what comes behind them ' +
    'is written, and a gap is refused with where to go on. Lines are taken for 10 s after the claim ended, whichever ' +
    'way. Past 10 MiB an attempt the log is cut; what comes then is counted, not kept, and no error.',
  tags: ['claims'],
  params: ClaimParams,
  querystring: AppendLogQuery,
  body: {
    content: {
      'text/plain': { schema: Type.String({ description: 'Text, stored as the bytes that it comes in.' }) },
      'application/octet-stream': { schema: Type.String({ description: 'Any bytes.' }) },
    },
  },
  'x-optional-body': true,
  'x-body-examples': { 'text/plain': lines, 'application/octet-stream': lines },
  response: answers(
    {
      200: {
        description: 'They are there.',
        schema: Named(AppendedLog),
        example: { next_offset: LINES.length },
      },
    },
    [
      ...(['invalid_query', 'claim_not_found', 'expected_offset', 'claim_lost', 'claim_settled'] as const),
      ...(['payload_too_large', 'unsupported_media_type'] as const),
      ...DATABASE_CODES,
    ],
  ),
};

/** `POST /v1/claims/{id}/log`. */
export function addClaimLogRoute(app: App, { workers }: RouteContext): void {
  // A plugin of its own: only here bodies are taken as they are.
  app.register((own: App, _options, done) => {
    own.removeAllContentTypeParsers();
    own.addContentTypeParser(
      ['text/plain', 'application/octet-stream'],
      { parseAs: 'buffer' },
      async (_request: unknown, body: Buffer) => body,
    );
    own.addContentTypeParser('*', async (request: FastifyRequest) => {
      throw unsupportedMediaType(request);
    });
    own.route({
      method: 'POST',
      url: '/v1/claims/:id/log',
      schema,
      bodyLimit: LIMITS.logBodyBytes,
      config: { takesBytes: true },
      validatorCompiler: compileWithoutBody,
      handler: async ({ params, query, body }) => {
        const key = parseClaimId(params.id);
        if (key === null) throw claimRefusal({ kind: 'unknown' });
        const bytes = (body as Buffer | undefined) ?? new Uint8Array();
        return { next_offset: await appendClaimLog(workers, key, query.offset ?? null, bytes) };
      },
    });
    done();
  });
}
