import { globSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { parse as parseToml } from 'smol-toml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { jobSchema } from '../../src/contract/job-schema.ts';
import { FIELDS } from '../../src/domain/job-definition/fields.ts';
import { normaliseJob } from '../../src/domain/job-definition/normalise.ts';
import type { Json, JsonObject } from '../../src/domain/json.ts';
import { CATALOGUE, CHECKS } from '../support/actions.ts';
import { type Anything, send, type TestApi, testApi } from '../support/api.ts';

const actions = [...CATALOGUE.values()];

let api: TestApi;
let schema: Anything;
let isValid: ReturnType<Ajv['compile']>;
beforeAll(async () => {
  api = await testApi({ actions, actionChecks: CHECKS });
  schema = (await send(api.port, 'GET', '/schemas/job.json')).json;
  const ajv = new Ajv({ allErrors: true, strictRequired: false, allowUnionTypes: true });
  formats.default(ajv);
  isValid = ajv.compile(schema);
});
afterAll(() => api.close());

const faultsOf = (definition: unknown) =>
  isValid(definition)
    ? null
    : (isValid.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`).join('; ');

describe('GET /schemas/job.json', () => {
  test('is a JSON Schema, draft-07, that a client need not fetch twice', async () => {
    const answer = await send(api.port, 'GET', '/schemas/job.json');
    expect(answer.headers['content-type']).toBe('application/schema+json; charset=utf-8');
    expect(schema).toMatchObject({
      $schema: 'http://json-schema.org/draft-07/schema#',
      $id: '/schemas/job.json',
      title: 'Holdfast job',
    });
    expect(schema).toEqual(JSON.parse(JSON.stringify(jobSchema(actions))));
    const headers = { 'if-none-match': answer.headers.etag as string };
    expect(await send(api.port, 'GET', '/schemas/job.json', { headers })).toMatchObject({
      status: 304,
      text: '',
    });
  });

  test('leads nowhere else, and describes every field', () => {
    const references = [...JSON.stringify(schema).matchAll(/"\$ref":"([^"]*)"/g)].map(([, to]) => to);
    expect([...new Set(references)].sort()).toEqual(['#/definitions/retry', '#/definitions/step']);
    const undescribed: string[] = [];
    const visit = (part: Anything, where: string) => {
      if (part === null || typeof part !== 'object') return;
      for (const [name, field] of Object.entries<Anything>(part.properties ?? {})) {
        if (field !== false && field.$ref === undefined && field.const === undefined && !field.description)
          undescribed.push(`${where}/${name}`);
      }
      for (const [key, inner] of Object.entries(part)) visit(inner, `${where}/${key}`);
    };
    visit(schema, '');
    expect(undescribed).toEqual([]);
  });

  test('knows exactly the fields that a definition has, so that editors complete them', () => {
    const { definitions, properties } = schema;
    const known = {
      job: properties,
      defaults: properties.defaults.properties,
      step: definitions.step.properties,
      retry: definitions.retry.properties,
    };
    for (const [place, fields] of Object.entries(FIELDS))
      expect(Object.keys(known[place as keyof typeof known]).sort(), place).toEqual([...fields].sort());
    for (const closed of [schema, properties.defaults, definitions.step, definitions.retry])
      expect(closed.additionalProperties).toBe(false);
    for (const place of [schema, definitions.step]) {
      const offered = place.properties.uses.anyOf.map((one: Anything) => one.const).filter(Boolean);
      expect(offered).toEqual(actions.map(({ uses }) => uses));
    }
  });

  test('admits its own examples, and the submit does too', () => {
    expect(schema.examples.length).toBeGreaterThan(1);
    for (const example of schema.examples) {
      expect(faultsOf(example)).toBeNull();
      expect(normaliseJob(example, CHECKS)).toMatchObject({ ok: true });
    }
  });
});

/** The definitions in a text: JSON objects anywhere, fenced YAML and TOML. */
function definitionsIn(text: string): unknown[] {
  const found: unknown[] = [];
  for (let from = text.indexOf('{'); from !== -1; from = text.indexOf('{', from + 1)) {
    if (!/^\{\s*"name"/.test(text.slice(from, from + 40))) continue;
    const end = endOfObject(text, from);
    if (end === null) continue;
    found.push(JSON.parse(text.slice(from, end)));
    from = end - 1;
  }
  const fenced = (language: string) =>
    [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(
      ([, body = '']) => body,
    );
  found.push(
    ...fenced('yaml').map((body) => parseYaml(body)),
    ...fenced('toml').map((body) => parseToml(body)),
  );
  const isJob = (value: Anything) =>
    typeof value?.name === 'string' &&
    (typeof value.uses === 'string' || Array.isArray(value.steps)) &&
    !('status' in value);
  // A step that stands alone in a page is none, and what is printed in part is not whole.
  const isWhole = (value: unknown) => !JSON.stringify(value).includes('"…"');
  return found.filter((value) => isJob(value) && !('needs' in (value as object)) && isWhole(value));
}

function endOfObject(text: string, from: number): number | null {
  for (let end = text.indexOf('}', from); end !== -1; end = text.indexOf('}', end + 1)) {
    try {
      JSON.parse(text.slice(from, end + 1));
      return end + 1;
    } catch {}
  }
  return null;
}

describe('the schema admits what is good', () => {
  const pages = globSync('{README.md,docs/**/*.md,examples/*}').filter((path) =>
    /\.(md|json|ya?ml|toml)$/.test(path),
  );

  test.each(pages)('every definition in %s', (path) => {
    const text = readFileSync(path, 'utf8');
    const whole = /\.(ya?ml|toml)$/.exec(path)?.[1];
    const jobs =
      whole === undefined ? definitionsIn(text) : [whole === 'toml' ? parseToml(text) : parseYaml(text)];
    const least: Record<string, number> = { 'README.md': 5, 'examples/hash-packages.json': 1 };
    expect(jobs.length).toBeGreaterThanOrEqual(least[path] ?? 0);
    for (const job of jobs) expect(faultsOf(job), JSON.stringify(job).slice(0, 200)).toBeNull();
  });

  const step = (uses: string, with_?: unknown) => ({
    name: 'x',
    steps: [{ name: 'a', uses, ...(with_ === undefined ? {} : { with: with_ }) }],
  });
  test.each([
    ['an expression for a whole `with`', step('value', '${{ input }}')],
    ['an expression where an object is wanted', step('shell', { run: 'env', env: '${{ input.env }}' })],
    ['an expression where an instant is wanted', step('wait', { until: '${{ input.at }}' })],
    [
      'expressions in a request',
      step('http', {
        url: '${{ input.url }}',
        method: '${{ input.verb }}',
        headers: { a: '${{ input.b }}' },
        redirects: '${{ 0 }}',
      }),
    ],
    ['an expression inside a text', step('wait', { for: 'PT${{ input.s }}' })],
    ['whatever an action takes that is not here', step('resize', { width: [1, 2] })],
    ['an action that is not here, with nothing', step('resize')],
    ['a script with an escaped expression', step('shell', { run: 'echo "$${{ x }}"' })],
    ['a value of nothing', step('value')],
    [
      'one step without `steps`',
      { name: 'x', uses: 'shell', with: { run: 'true' }, retry: { max_attempts: 2 } },
    ],
  ])('%s', (_, definition) => {
    expect(faultsOf(definition)).toBeNull();
    expect(normaliseJob(definition as Json, CHECKS)).toMatchObject({ ok: true });
  });
});

describe('the schema refuses what the submit refuses', () => {
  const a = { name: 'a', uses: 'value' };
  const graph = (...steps: Json[]): JsonObject => ({ name: 'x', steps });
  const shell = (with_: Json) => graph({ name: 'a', uses: 'shell', with: with_ });
  const wait = (with_: Json) => graph({ name: 'a', uses: 'wait', with: with_ });

  test.each<[string, Json]>([
    ['no object', []],
    ['no name', { uses: 'value' }],
    ['an empty name', { name: ' ', uses: 'value' }],
    ['neither steps nor an action', { name: 'x' }],
    ['no steps', graph()],
    ['steps that are no list', { name: 'x', steps: { a } }],
    ['a step that is none', graph('a')],
    ['a step without a name', graph({ uses: 'value' })],
    ['a step without an action', graph({ name: 'a' })],
    ['a field of somebody else', graph({ ...a, depends_on: ['b'] })],
    ['an unknown field of the job', { name: 'x', uses: 'value', tasks: [] }],
    ['an unknown field of retry', graph({ ...a, retry: { retries: 3 } })],
    ['an unknown field of defaults', { name: 'x', defaults: { queue: 'q' }, steps: [a] }],
    ['an action beside steps', { name: 'x', uses: 'value', steps: [a] }],
    ['a condition beside steps', { name: 'x', if: 'true', steps: [a] }],
    ['`run_at` with `delay`', { name: 'x', uses: 'value', delay: '1m', run_at: '2026-11-21T02:00:00Z' }],
    ['an instant without offset', { name: 'x', uses: 'value', run_at: '2026-11-21T02:00:00' }],
    ['a day that is not there', { name: 'x', uses: 'value', run_at: '2026-02-31T02:00:00Z' }],
    ['a bad duration', graph({ ...a, timeout: 'soon' })],
    ['a negative duration', graph({ ...a, timeout: -1 })],
    ['a timeout of nothing', graph({ ...a, timeout: 0 })],
    ['a part of a second', graph({ ...a, timeout: 1.5 })],
    ['needs that are a text', graph(a, { ...a, name: 'b', needs: 'a' })],
    ['a need named twice', graph(a, { ...a, name: 'b', needs: ['a', 'a'] })],
    ['a bad name of a step', graph({ ...a, name: '-a' })],
    ['a bad name of an action', graph({ ...a, uses: 'No Action' })],
    ['too high a priority', { name: 'x', uses: 'value', priority: 101 }],
    ['no attempts', graph({ ...a, retry: { max_attempts: 0 } })],
    ['an unknown backoff', graph({ ...a, retry: { backoff: 'doubling' } })],
    ['a label that is no text', { name: 'x', uses: 'value', labels: { team: 1 } }],
    ['a label with a colon in its name', { name: 'x', uses: 'value', labels: { 'a:b': 'c' } }],
    ['no script', shell({})],
    ['no `with` where one is needed', graph({ name: 'a', uses: 'shell' })],
    ['no `with` in the short form', { name: 'x', uses: 'shell' }],
    ['a script that is no text', shell({ run: ['true'] })],
    ['a script with an expression', shell({ run: 'echo\n ${{ input }}' })],
    ['an expression for a script and its surroundings', shell('${{ input }}')],
    ['an unknown field of `with`', shell({ run: 'true', environment: {} })],
    ['an environment that is a list', shell({ run: 'true', env: ['A=1'] })],
    ['nothing to wait for', wait({})],
    ['two things to wait for', wait({ for: 1, until: '2026-11-21T02:00:00Z' })],
    ['an instant that is none', wait({ until: 'tomorrow' })],
    ['a request without a url', graph({ name: 'a', uses: 'http', with: { method: 'GET' } })],
    [
      'a method that is none',
      graph({ name: 'a', uses: 'http', with: { url: 'http://x.example', method: 'GETS' } }),
    ],
    ['an unknown field of the short form', { name: 'x', uses: 'wait', with: { seconds: 3 } }],
  ])('%s', (_, definition) => {
    expect(normaliseJob(definition, CHECKS)).toMatchObject({ ok: false });
    expect(isValid(definition)).toBe(false);
  });

  // Every field with every kind of value: the two say the same, but for what only one of them can know.
  const VALUES: Json[] = [
    null,
    true,
    -1,
    0,
    3,
    1.5,
    '',
    'a',
    '5m',
    'x y',
    [],
    ['a'],
    [1],
    {},
    { a: 1 },
    { a: 'b' },
  ];
  const PLACES: [string, readonly string[], (field: string, value: Json) => JsonObject][] = [
    ['job', FIELDS.job, (field, value) => ({ name: 'x', uses: 'value', [field]: value })],
    ['long job', FIELDS.job, (field, value) => ({ ...graph({ ...a, name: 'a' }), [field]: value })],
    ['step', FIELDS.step, (field, value) => graph({ ...a, [field]: value })],
    ['retry', FIELDS.retry, (field, value) => graph({ ...a, retry: { [field]: value } })],
    ['defaults', FIELDS.defaults, (field, value) => ({ ...graph(a), defaults: { [field]: value } })],
    ['shell', ['run', 'env', 'cwd'], (field, value) => shell({ run: 'true', [field]: value })],
    ['wait', ['for', 'until'], (field, value) => wait({ [field]: value })],
    [
      'http',
      ['url', 'method', 'headers', 'query', 'body', 'redirects'],
      (field, value) =>
        graph({ ...a, uses: 'http', with: { url: 'http://localhost/', method: 'POST', [field]: value } }),
    ],
  ];
  const ONLY_SUBMIT = /^(self_need|unknown_need|expression_invalid|unknown_name|unknown_step)$/;

  test.each(PLACES)(
    'every wrong kind of value in each field of a %s, and no right one',
    (_, fields, make) => {
      let compared = 0;
      for (const field of fields) {
        for (const value of VALUES) {
          const definition = make(field, value);
          const result = normaliseJob(definition, CHECKS);
          if (!result.ok && result.problems.every(({ code }) => ONLY_SUBMIT.test(code))) continue;
          // How long a wait is, and where a request goes, is read by the action, not matched by its schema.
          if (!result.ok && ['for', 'url'].includes(field) && isValid(definition)) continue;
          compared++;
          const said = result.ok ? 'accepted' : JSON.stringify(result.problems);
          expect(isValid(definition), `${JSON.stringify(definition)}: ${said}`).toBe(result.ok);
        }
      }
      expect(compared).toBeGreaterThan(20);
    },
  );
});
