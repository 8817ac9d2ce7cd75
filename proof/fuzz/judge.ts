import { createAnswerCheck } from '../../test/support/openapi.ts';
import type { Described, Operation } from './document.ts';
import type { Outcome } from './lane.ts';
import type { Answer } from './read-answers.ts';

// biome-ignore lint/suspicious/noExplicitAny: problem documents are looked at member by member
type Anything = any;

const PROBLEM = 'application/problem+json';
/** What the document says once, above the calls: what no route serves, and what cannot be read as a request at all. */
const BELOW = [
  'route_not_found',
  'method_not_allowed',
  'request_timeout',
  'headers_too_large',
  'bad_request',
];
/** Headers that mean something to clients: where they are, the document says so. */
const MEANT = /^(etag|location|retry-after|idempotency-replayed|preference-applied|holdfast-.*)$/;
/** Headers that are there only in some of the cases of their answer. */
const SOMETIMES = ['preference-applied', 'idempotency-replayed'];
const LEAKS =
  /node_modules|\.ts:\d|\bat \w+ \(|\bselect\b.+\bfrom\b|sqlstate|\bpg_|violates|syntax error at/i;

/** Says what is wrong with an answer, or null. */
export type Judge = (outcome: Pick<Outcome, 'shot'>, answer: Answer, isFirst: boolean) => string | null;

/** Judges answers by the document that the server itself serves. */
export function createJudge(described: Described): Judge {
  const checkAnswer = createAnswerCheck(described.document);
  const titles = new Map<string, string>();

  function checkProblem(problem: Anything, answer: Answer, path: string | null, operation: Operation | null) {
    const { code, title, type, status, detail, instance, request_id, errors } = problem;
    if (status !== answer.status) return `the problem says ${status}, the answer ${answer.status}`;
    if (type !== `/problems/${code}`) return `the type ${type} is not that of ${code}`;
    if (request_id !== answer.headers['x-request-id']) return 'the request id is not that of the header';
    if (detail === '' || !Array.isArray(errors) || errors.length > 100)
      return 'no detail, or too many errors';
    if (instance !== '' && path !== null && instance !== path) return `the instance is ${instance}`;
    if (titles.get(code) !== undefined && titles.get(code) !== title) return `${code} has two titles`;
    titles.set(code, title);
    if (LEAKS.test(JSON.stringify({ ...problem, instance: '' }))) return 'it tells of the inside';
    if (operation === null || BELOW.includes(code)) return null;
    const listed = operation.responses[status]?.content?.[PROBLEM]?.examples ?? {};
    return code in listed ? null : `${operation.id} does not list ${code} for ${status}`;
  }

  function checkHeaders({ headers, status }: Answer, operation: Operation | null): string | null {
    if (headers['x-content-type-options'] !== 'nosniff') return 'no x-content-type-options';
    if (headers['x-request-id'] === undefined) return 'no x-request-id';
    if ((status === 405) !== (headers.allow !== undefined)) return 'Allow and 405 do not go together';
    if (operation === null || status === 405) return null;
    const said = Object.keys(operation.responses[status]?.headers ?? {});
    const missing = said.find((name) => headers[name] === undefined && !SOMETIMES.includes(name));
    if (missing !== undefined) return `the header ${missing} is missing`;
    const unsaid = Object.keys(headers).find((name) => MEANT.test(name) && !said.includes(name));
    return unsaid === undefined || status >= 400 ? null : `the header ${unsaid} is not described`;
  }

  return ({ shot }, answer, isFirst) => {
    const { status } = answer;
    if (status >= 500) return `status ${status}`;
    // What follows a request that was read otherwise than it was meant belongs to no call.
    const asked = isFirst ? pathOf(shot.target) : null;
    const operation = asked === null ? null : findOperation(described.operations, shot.method, asked);
    const type = String(answer.headers['content-type'] ?? '').split(';')[0];
    const hasBody = shot.method !== 'HEAD' && answer.text !== '';
    const problem = hasBody && type === PROBLEM ? JSON.parse(answer.text) : null;
    if (status >= 400 && type !== PROBLEM) return `a refusal as ${type}`;
    if (status >= 400 && problem === null && shot.method !== 'HEAD') return 'a refusal without a body';
    const isBelow = problem !== null && BELOW.includes(problem.code);
    const trouble = checkHeaders(answer, isBelow ? null : operation);
    if (trouble !== null) return trouble;
    if (problem !== null) {
      const wrong = checkProblem(problem, answer, asked, operation);
      if (wrong !== null) return wrong;
    }
    // Pages for people and files are no calls of the document.
    if (operation === null && (status < 400 || !hasBody))
      return status < 400 && shot.target !== '/' && shot.level === 'valid' ? 'no such call' : null;
    if (!hasBody && status >= 400) return null;
    const path = isBelow || operation === null ? '/' : (asked as string);
    const wrong = checkAnswer({ ...answer, method: isBelow ? 'GET' : shot.method, path });
    if (wrong !== null) return wrong;
    if (shot.refused && isFirst && status < 400 && !refusesApart(answer))
      return 'taken, although the document does not describe such a body';
    return null;
  };
}

/** Batches of outcomes are judged one by one: the answer to all of them says what became of each. */
function refusesApart({ text }: Answer): boolean {
  const { data } = JSON.parse(text) as { data?: { status?: number }[] };
  return Array.isArray(data) && data.some(({ status }) => status === 422);
}

/** The path that a target means; null when it means none. */
function pathOf(target: string): string | null {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, '').split('?')[0] as string;
  return /^\/[!-~]*$/.test(path) ? path : path === '' && target.includes('://') ? '/' : null;
}

/** The call of the document that a path is served by, as a router finds it: fixed words win over parameters. */
export function findOperation(
  operations: readonly Operation[],
  method: string,
  path: string,
): Operation | null {
  if (path.includes('//')) return null;
  const asked = path.split('/').filter((part) => part !== '');
  const verb = method === 'HEAD' ? 'GET' : method;
  const fitting = operations.filter((operation) => {
    const parts = operation.path.split('/').filter((part) => part !== '');
    return (
      parts.length === asked.length && parts.every((part, at) => part.startsWith('{') || part === asked[at])
    );
  });
  const fixed = fitting.toSorted((a, b) => a.path.split('{').length - b.path.split('{').length)[0];
  return fitting.find((one) => one.method === verb && one.path === fixed?.path) ?? null;
}
