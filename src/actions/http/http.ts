import { STATUS_CODES } from 'node:http';
import type { StoredError } from '../../domain/errors.ts';
import { LIMITS } from '../../domain/limits.ts';
import type {
  HopReport,
  Outbound,
  OutboundAnswer,
  OutboundEnd,
  OutboundRequest,
} from '../../outbound/outbound.ts';
import type { Action, ActionContext, ActionOutcome } from '../action.ts';
import { tellAll, withInvalid } from '../check-with.ts';
import { buildOutput, startOf } from './output.ts';
import { retryAfter } from './retry-after.ts';
import { buildBody, buildUrl, checkLiterals, type HttpWith, httpWith } from './with.ts';

/** 4xx that say "not now" instead of "not like this". */
const NOT_NOW: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * The action `http`: one request by way of `outbound`, and its redirects. A 2xx, and a 3xx that is not followed, is the
 * output `{status, headers, body, body_encoding?}`. Fails with `http_status` (`details: {status, body}`; retryable for
 * 408, 425, 429 and 5xx, after the answer's `Retry-After`), `http_network` (retryable; `details: {cause}`),
 * `address_not_allowed`, `response_too_large`, `too_many_redirects`, `bad_redirect`, `aborted` (retryable) and
 * `with_invalid`.
 */
export function createHttp(outbound: Pick<Outbound, 'send'>): Action {
  return {
    uses: 'http',
    summary: 'Sends one HTTP request; its output is `{status, headers, body}`.',
    with: httpWith,
    instant: false,
    check: (template, pointer) => checkLiterals(template, pointer),
    async run(with_, context) {
      const problems = checkLiterals(with_, '', () => true);
      if (problems.length > 0) return withInvalid(tellAll(problems));
      const request = buildRequest(with_ as HttpWith, context);
      return outcomeOf(await outbound.send(request), context);
    },
  };
}

function buildRequest(with_: HttpWith, context: ActionContext): OutboundRequest {
  const { job_id, step, retry_round } = context.claim;
  const { body, type } = buildBody(with_);
  const given = Object.entries(with_.headers ?? {});
  return {
    method: with_.method ?? 'GET',
    url: buildUrl(with_),
    headers: {
      // The same for every attempt, so that the other side can tell a repetition; a retry by hand is meant to repeat.
      'idempotency-key': `${job_id}/${step}/${retry_round}`,
      ...(type === null ? {} : { 'content-type': type }),
      ...Object.fromEntries(given.map(([name, value]) => [name.toLowerCase(), String(value)])),
    },
    body,
    redirects: with_.redirects ?? LIMITS.redirects,
    maxBytes: LIMITS.valueBytes,
    signal: context.signal,
    onHop: (report) => context.log(`${describeHop(report)}\n`),
  };
}

function describeHop({ method, url, ms, status, bytes }: HopReport): string {
  const size = bytes === null ? '' : `, ${bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} KB`}`;
  return `${method} ${url} → ${status ?? 'no answer'} in ${ms} ms${size}`;
}

function outcomeOf(end: OutboundEnd, context: ActionContext): ActionOutcome {
  if (end.kind === 'failed') {
    const outcome = failureOf(end);
    if (outcome.kind === 'failed') context.log(`${outcome.error.message}\n`);
    return outcome;
  }
  if (end.status >= 400) return statusFailure(end);
  const { output, note } = end.cut ? { output: null, note: null } : buildOutput(end);
  if (output === null) return tooLarge(end);
  if (note !== null) context.log(`the body is kept as text: as JSON it ${note}\n`);
  return { kind: 'succeeded', output };
}

function failureOf(end: OutboundEnd & { kind: 'failed' }): ActionOutcome {
  const { failed: why, message, cause } = end;
  const failed = (error: StoredError, retryable = false): ActionOutcome => ({
    kind: 'failed',
    error,
    retryable,
  });
  switch (why) {
    case 'network':
      return failed({ code: 'http_network', message, details: { cause: cause ?? null } }, true);
    case 'aborted':
      return failed({ code: 'aborted', message }, true);
    case 'address_not_allowed':
      return failed({ code: 'address_not_allowed', message });
    case 'response_too_large':
      return failed({ code: 'response_too_large', message });
    case 'too_many_redirects':
      return failed({ code: 'too_many_redirects', message });
    case 'bad_redirect':
      return failed({ code: 'bad_redirect', message });
    case 'invalid_request':
      return withInvalid(message);
  }
}

/** Whether the same request may be answered better later. */
function isRetryable(status: number): boolean {
  return status >= 500 || NOT_NOW.has(status);
}

function statusFailure(answer: OutboundAnswer): ActionOutcome {
  const { status, method, url } = answer;
  const retryable = isRetryable(status);
  const after = retryable ? retryAfter(answer.headers['retry-after'], Date.now()) : null;
  const name = STATUS_CODES[status];
  const meaning = retryable ? '' : ', which another attempt would not change';
  const error = {
    code: 'http_status',
    message: `${method} ${url} answered ${status}${name ? ` ${name}` : ''}${meaning}`,
    details: { status, body: startOf(answer.body, LIMITS.errorBodyBytes) },
  };
  return { kind: 'failed', error, retryable, ...(after === null ? {} : { retry_after_ms: after }) };
}

function tooLarge({ method, url, status }: OutboundAnswer): ActionOutcome {
  const message =
    `${method} ${url} answered ${status} with more than the ${LIMITS.valueBytes} bytes that an output may have; ` +
    'ask for less, or fetch it in a script and hand on where it is';
  return { kind: 'failed', error: { code: 'response_too_large', message }, retryable: false };
}
