import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { Claim, ClaimBodyIn, ClaimList } from '../contract/claim.ts';
import { Health, Probe } from '../contract/health.ts';
import { CheckedJob, CleanupReport, DeletedJob, Job, JobBatch, JobList } from '../contract/job.ts';
import {
  BatchDefinition,
  JobDefinition,
  RetryDefinition,
  StepDefinition,
} from '../contract/job-definition.ts';
import type { DescribedAction } from '../contract/job-schema.ts';
import {
  AppendedLog,
  ExtendBatchBody,
  ExtendBody,
  ExtendedClaim,
  ExtendedClaimList,
} from '../contract/keep-claim.ts';
import { Problem, ProblemEntry } from '../contract/problem.ts';
import { SettledClaim, SettledClaimList } from '../contract/settle-claim.ts';
import { Attempt, BlockedByBody, Step, StepDetail, StepList } from '../contract/step.ts';
import {
  HeartbeatAnswer,
  HeartbeatBody,
  RegisteredWorker,
  RemovedWorker,
  WorkerEntry,
  WorkerList,
  WorkerRegistration,
} from '../contract/worker.ts';
import { finishDocument } from './finish-document.ts';
import { DOCS_CONTENT_SECURITY_POLICY } from './security-headers.ts';
import { knowSchemas } from './validation.ts';

// In this order: a schema comes after those that it refers to.
const NAMED = [
  ...[ProblemEntry, Problem, RetryDefinition, StepDefinition, JobDefinition, BatchDefinition],
  ...[
    BlockedByBody,
    Step,
    Attempt,
    StepDetail,
    StepList,
    Job,
    JobList,
    JobBatch,
    CheckedJob,
    DeletedJob,
    CleanupReport,
    Health,
    Probe,
  ],
  ...[WorkerRegistration, WorkerEntry, RegisteredWorker, WorkerList, HeartbeatBody, HeartbeatAnswer],
  RemovedWorker,
  ...[Claim, ClaimBodyIn, ClaimList, SettledClaim, SettledClaimList],
  ...[ExtendBody, ExtendedClaim, ExtendBatchBody, ExtendedClaimList, AppendedLog],
];

const DESCRIPTION = `Submit a graph of steps, watch it, read its results.

Everything that is no success is answered as \`application/problem+json\` (RFC 9457) with a stable \`code\`, a \`detail\`
that says what to do, and \`errors\` that point at each thing that is wrong. Its \`type\` leads to a page about that
kind of problem; all of them are at \`/problems\`. What no route serves is answered with
\`route_not_found\` (404) or \`method_not_allowed\` (405, with \`Allow\`); what cannot be read at all with
\`request_timeout\` (408) or \`headers_too_large\` (431).

Every answer has the header \`x-request-id\`; one that the request brings is kept. Unknown query parameters and unknown
fields are refused, never ignored. Durations are written \`30s\`, \`5m\`, \`1h30m\`, or as whole seconds.

    curl --json '{"name":"hello","uses":"shell","with":{"run":"echo hi"}}' 'http://localhost:3000/v1/jobs?wait=10s'`;

const TAGS = [
  { name: 'jobs', description: 'Graphs of steps: submit, watch, steer, delete.' },
  { name: 'steps', description: 'What a job is made of: status, attempts, output, log.' },
  { name: 'workers', description: 'Who runs steps: the servers themselves, and processes on any machine.' },
  { name: 'claims', description: 'The right to run a step: take it, keep it, report, settle.' },
  { name: 'health', description: 'For people, load balancers and process managers.' },
];

/** Serves the OpenAPI 3.1 document of the routes that follow at `/openapi.json`, and a page to try them at `/docs`. */
export function describeRoutes(
  app: FastifyInstance,
  version: string,
  actions: readonly DescribedAction[],
): void {
  for (const schema of NAMED) app.addSchema(schema);
  knowSchemas(NAMED);
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Holdfast',
        version,
        description: DESCRIPTION,
        license: { name: 'MIT', identifier: 'MIT' },
      },
      // Relative: wherever the document was fetched from.
      servers: [{ url: '/' }],
      tags: TAGS,
      // There are no keys yet: whoever reaches the server may use it.
      security: [],
    },
    refResolver: { buildLocalReference: (json, _baseUri, _fragment, i) => String(json.$id ?? `def-${i}`) },
    transformObject: (given) =>
      'openapiObject' in given ? finishDocument(given.openapiObject, actions) : given.swaggerObject,
  });
  app.register(swaggerUi, {
    routePrefix: '/docs',
    theme: { title: 'Holdfast API' },
    // No badge of a validator elsewhere, which would be told where this server is.
    uiConfig: { docExpansion: 'list', tryItOutEnabled: true, validatorUrl: null },
    staticCSP: DOCS_CONTENT_SECURITY_POLICY,
  });
}

/** `GET /openapi.json`. */
export function addOpenapiRoute(app: FastifyInstance): void {
  let text: string | undefined;
  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) => {
    text ??= JSON.stringify(app.swagger());
    return reply.type('application/json; charset=utf-8').send(text);
  });
}
