import { STATUS_CODES } from 'node:http';
import { AppError, type ErrorCode } from '../../domain/errors.ts';
import { suggest } from '../../domain/suggest.ts';
import type { App } from '../context.ts';
import { type Page, sendPage } from '../page.ts';
import { exampleProblem, PROBLEMS } from '../problem-details.ts';
import { PROBLEM_EXAMPLES } from '../problem-examples.ts';
import { PROBLEM_TEXTS } from '../problem-texts.ts';

const CODES = Object.keys(PROBLEMS) as ErrorCode[];
// Pages for people: the OpenAPI document is about calls.
const schema = { hide: true };

/** `GET /problems` and `GET /problems/{code}`: what the `type` of a problem document leads to. */
export function addProblemRoutes(app: App): void {
  app.get('/problems', { schema }, (request, reply) => sendPage(request, reply, listPage()));
  app.get<{ Params: { code: string } }>('/problems/:code', { schema }, (request, reply) => {
    const { code } = request.params;
    const known = CODES.find((one) => one === code);
    if (known === undefined) throw noSuchProblem(code);
    return sendPage(request, reply, problemPage(known));
  });
}

function problemPage(code: ErrorCode): Page {
  const { status, title } = PROBLEMS[code];
  const { means, remedy } = PROBLEM_TEXTS[code];
  const { asked } = PROBLEM_EXAMPLES[code];
  return {
    title,
    blocks: [
      {
        kind: 'text',
        text: `The code \`${code}\`, answered with the status ${status} ${STATUS_CODES[status]}.`,
      },
      { kind: 'heading', text: 'What it means' },
      { kind: 'text', text: means },
      { kind: 'heading', text: 'What to do' },
      { kind: 'text', text: remedy },
      { kind: 'heading', text: 'An example' },
      { kind: 'text', text: `\`${asked}\` was answered with` },
      { kind: 'code', text: JSON.stringify(exampleProblem(code), null, 2) },
      { kind: 'links', links: [{ path: '/problems', about: 'all problems' }] },
    ],
  };
}

function listPage(): Page {
  const byStatus = Map.groupBy(CODES, (code) => PROBLEMS[code].status);
  const statuses = [...byStatus].sort(([a], [b]) => a - b);
  return {
    title: 'Problems',
    blocks: [
      {
        kind: 'text',
        text:
          'Whatever does not succeed is answered with a problem document (RFC 9457): `code` to branch on, `detail` ' +
          'with what happened and what to do, `errors` with each thing that is wrong. Its `type` leads here.',
      },
      ...statuses.flatMap(([status, codes]): Page['blocks'] => [
        { kind: 'heading', text: `${status} ${STATUS_CODES[status]}` },
        {
          kind: 'links',
          links: codes.map((code) => ({ path: `/problems/${code}`, about: PROBLEMS[code].title })),
        },
      ]),
    ],
  };
}

function noSuchProblem(given: string): AppError {
  const shown = given.length > 60 ? `${given.slice(0, 60)}…` : given;
  const meant = suggest(given.slice(0, 60), CODES);
  const hint =
    meant === null ? 'all are at /problems' : `did you mean /problems/${meant}? All are at /problems`;
  const detail = `there is no problem "${shown}"; ${hint}. Codes of steps and jobs are explained in docs/errors.md`;
  return new AppError('problem_not_found', detail);
}
