import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send, type TestApi, testApi } from '../support/api.ts';

// `SEED=… RUNS=… npx vitest run test/http/edges-random.test.ts` plays another game, or a longer one.
const seed = Number(process.env.SEED ?? 20_261_121);
const numRuns = Number(process.env.RUNS ?? 700);

let api: TestApi;
let known: string;
beforeAll(async () => {
  api = await testApi();
  known = (await api.call('POST', '/v1/jobs', { body: { name: 'known', uses: 'value' } })).json.id;
});
afterAll(() => api.close());

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY'];
const PLACES = [
  ...['/', '/health', '/livez', '/readyz', '/docs', '/docs/', '/docs/json', '/docs/yaml', '/openapi.json'],
  ...['/docs/static/{}', '/problems', '/problems/{}', '/schemas/job.json', '/schemas/{}', '/{}', '/{}/{}'],
  ...['/v1/jobs', '/v1/jobs/batch', '/v1/jobs/validate', '/v1/jobs/cleanup', '/v1/jobs/{}', '/v1/jobs/{id}'],
  ...[
    '/v1/jobs/{id}/steps',
    '/v1/jobs/{id}/steps/{}',
    '/v1/jobs/{id}/steps/main',
    '/v1/jobs/{id}/steps/main/log',
  ],
  ...['/v1/jobs/{id}/cancel', '/v1/jobs/{id}/pause', '/v1/jobs/{id}/resume', '/v1/jobs/{id}/retry'],
  ...['/v1/jobs/{id}/definition', '/v1/jobs/{id}/log', '/v1/jobs/{}/steps/{}/log', '/v1/jobs/{id}/{}'],
];

const strange = fc.oneof(
  fc.constantFrom(
    ...[
      '',
      '.',
      '..',
      '%00',
      '%',
      '%zz',
      '%2e%2e%2f',
      '%c3%28',
      '%ed%a0%80',
      '%F0%9F%92%A9',
      '__proto__',
      'constructor',
    ],
    ...[
      'null',
      'NaN',
      '-1',
      '0',
      '1e309',
      '9007199254740993',
      '99999999999999999999',
      '0x10',
      "'",
      '"',
      '\\',
      '$where',
    ],
    ...[
      '<script>',
      '${{1}}',
      '{{7*7}}',
      ';--',
      '*',
      '/',
      '//',
      '&',
      '=',
      'a'.repeat(300),
      'W/"1"',
      '"',
      '*',
      '\t',
    ],
  ),
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 6 }).map((text) => encodeURIComponent(text.toWellFormed())),
);
// What a request line can hold at all; the rest is refused before there is a request.
const urlSafe = (text: string) => text.replaceAll(/[^!-~]/g, '%20').replaceAll('#', '%23');

const PARAMETERS = [
  ...[
    'limit',
    'cursor',
    'status',
    'name',
    'label',
    'created_after',
    'created_before',
    'include',
    'days',
    'dry_run',
  ],
  ...['attempt', 'offset', 'x', '__proto__', 'limit[]', 'a[b]'],
];
// No `wait` that could be met: it would be.
const query = fc
  .array(fc.tuple(fc.constantFrom(...PARAMETERS), strange), { maxLength: 4 })
  .chain((pairs) =>
    fc
      .constantFrom(...(pairs.length === 0 ? [''] : ['?', '?wait=0&', '?wait=x&']))
      .map((start) => start + pairs.map(([name, value]) => `${name}=${value}`).join('&')),
  );

const target = fc
  .tuple(fc.constantFrom(...PLACES), fc.array(strange, { minLength: 2, maxLength: 2 }), query)
  .map(([place, parts, search]) => {
    let next = 0;
    return urlSafe(place.replaceAll('{}', () => parts[next++] ?? '')) + urlSafe(search);
  });

const headerValue = strange.map((text) => text.replaceAll(/[^ -~]/g, '?'));
const HEADERS = [
  ...[
    'if-none-match',
    'idempotency-key',
    'prefer',
    'accept',
    'x-request-id',
    'range',
    'content-encoding',
    'expect',
  ],
  ...[
    'x-forwarded-host',
    'origin',
    'sec-fetch-site',
    'cookie',
    'authorization',
    'if-match',
    'accept-encoding',
    'te',
  ],
];
const headers = fc.dictionary(fc.constantFrom(...HEADERS), headerValue, { maxKeys: 3 });

const TYPES = [
  ...[
    'application/json',
    'application/json; charset=latin1',
    'application/yaml',
    'application/toml',
    'text/plain',
  ],
  ...['application/x-www-form-urlencoded', 'multipart/form-data', 'application/json;;;', '/', 'a', ''],
];
const definition = fc.record(
  {
    name: fc.oneof(fc.constant('random'), fc.jsonValue()),
    uses: fc.oneof(fc.constantFrom('value', 'wait', 'http', 'shell'), fc.jsonValue()),
    with: fc.oneof(
      fc.jsonValue(),
      fc.constantFrom('${{ 1 + }}', '${{ steps.a }}', '${{ input.x }}', '\u0000'),
    ),
    if: fc.oneof(fc.constantFrom('true', '1 +', 'always()', 'steps.x.output'), fc.jsonValue()),
    steps: fc.array(fc.oneof(fc.jsonValue(), fc.record({ name: fc.string(), uses: fc.constant('value') })), {
      maxLength: 3,
    }),
    needs: fc.jsonValue(),
    timeout: fc.oneof(fc.constantFrom('1s', '-1s', '1e9h', 0, 1e300), fc.jsonValue()),
    retry: fc.jsonValue(),
    labels: fc.jsonValue(),
    run_at: fc.oneof(fc.constantFrom('2026-02-30T00:00:00Z', '9999-12-31T23:59:59Z', 'now'), fc.jsonValue()),
    priority: fc.jsonValue(),
    output: fc.jsonValue(),
    reason: fc.jsonValue(),
    jobs: fc.array(fc.jsonValue(), { maxLength: 2 }),
  },
  { requiredKeys: [] },
);
const body = fc.oneof(
  { weight: 4, arbitrary: definition.map((value) => JSON.stringify(value)) },
  { weight: 1, arbitrary: fc.json() },
  { weight: 1, arbitrary: fc.string({ maxLength: 50 }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      '{',
      '[]',
      'null',
      '{"__proto__":{}}',
      '[1e400]',
      '\ufeff{}',
      '"\\ud800"',
      '- &a [*a]',
    ),
  },
);

describe('any request at all', () => {
  it('is answered without a failure of ours, and every refusal is a problem document that tells nothing of us', async () => {
    const request = fc.record({
      method: fc.constantFrom(...METHODS),
      target,
      headers,
      sent: fc.option(fc.record({ type: fc.constantFrom(...TYPES), body }), { freq: 2 }),
    });
    await fc.assert(
      fc.asyncProperty(request, async ({ method, target, headers, sent }) => {
        const path = target.replaceAll('{id}', known);
        const all = { ...headers, ...(sent?.type ? { 'content-type': sent.type } : {}) };
        const answer = await send(api.port, method, path, { headers: all, body: sent?.body });
        expect(answer.status).toBeGreaterThanOrEqual(200);
        expect(answer.status).toBeLessThan(500);
        expect(answer.headers['x-content-type-options']).toBe('nosniff');
        expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
        if (answer.status < 400) return;
        expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
        if (method === 'HEAD') return;
        expect(answer.json).toMatchObject({ status: answer.status, code: expect.any(String) });
        expect(answer.json.request_id).toBe(answer.headers['x-request-id']);
        expect(answer.json.detail).not.toBe('');
        expect(answer.text).not.toMatch(
          /node_modules|\.ts:\d|\bat \w+ \(|\bselect\b.*\bfrom\b|sqlstate|\bpg_/i,
        );
      }),
      { seed, numRuns },
    );
    // All that was thrown at it has changed nothing about how it works.
    expect((await api.call('GET', '/health')).json.status).toBe('ok');
  }, 600_000);
});
