import { beforeAll, describe, expect, test } from 'vitest';
import { lintOpenapi, servedDocument } from '../../scripts/check-openapi.ts';

// biome-ignore lint/suspicious/noExplicitAny: each test breaks a place of its own in the document
let document: any;
beforeAll(async () => {
  document = await servedDocument();
});

test('the document that the server serves keeps every rule', async () => {
  const { wrong, seen } = await lintOpenapi(document);
  expect(wrong).toEqual([]);
  expect(seen).toBe(Object.values<object>(document.paths).flatMap(Object.keys).length);
  expect(seen).toBeGreaterThan(10);
});

describe('a broken document is told by the rule that it breaks:', () => {
  const job = ['paths', '/v1/jobs/{id}', 'get'];
  const health = ['paths', '/health', 'get'];
  const schemas = ['components', 'schemas'];
  // A place, and what is put there; undefined takes away what was there.
  test.each<[rule: string, place: string[], value: unknown]>([
    ['struct', ['info'], undefined],
    ['no-unresolved-refs', [...schemas, 'Step'], undefined],
    ['no-unused-components', [...schemas, 'Spare'], { type: 'string' }],
    ['operation-operationId', [...health, 'operationId'], undefined],
    ['operation-operationId-unique', [...health, 'operationId'], 'getJob'],
    ['operation-4xx-response', [...job, 'responses'], { 200: { description: 'The job.' } }],
    ['operation-tag-defined', [...health, 'tags'], ['elsewhere']],
    ['parameter-description', [...job, 'parameters', '0', 'description'], undefined],
    ['path-parameters-defined', [...job, 'parameters'], []],
    ['security-defined', ['security'], undefined],
    [
      'no-invalid-media-type-examples',
      [...job, 'responses', '200', 'content', 'application/json', 'example', 'status'],
      'unheard of',
    ],
    [
      'no-invalid-schema-examples',
      [...schemas, 'JobDefinition', 'properties', 'priority', 'examples'],
      ['high'],
    ],
  ])('%s', async (rule, place, value) => {
    const broken = structuredClone(document);
    const holder = place.slice(0, -1).reduce((at, key) => at[key], broken);
    holder[place.at(-1) as string] = value;
    const { wrong } = await lintOpenapi(broken);
    expect(wrong.join('\n')).toContain(`: ${rule}: `);
  });
});

test('a document without operations was not looked at', async () => {
  const { seen } = await lintOpenapi({ ...document, paths: {} });
  expect(seen).toBe(0);
});
