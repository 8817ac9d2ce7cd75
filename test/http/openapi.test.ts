import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROBLEMS } from '../../src/http/problem-details.ts';
import { type Anything, send, type TestApi, testApi } from '../support/api.ts';

let api: TestApi;
let document: Anything;
beforeAll(async () => {
  api = await testApi();
  document = (await send(api.port, 'GET', '/openapi.json')).json;
});
afterAll(() => api.close());

const operations = () =>
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item as Record<string, Anything>).map(([method, operation]) => ({
      path,
      method,
      operation,
    })),
  );

describe('/openapi.json', () => {
  test('is OpenAPI 3.1 of every call, and of nothing else', () => {
    expect(document.openapi).toBe('3.1.0');
    expect(
      operations()
        .map(({ path, method }) => `${method.toUpperCase()} ${path}`)
        .sort(),
    ).toEqual([
      'DELETE /v1/jobs/cleanup',
      'DELETE /v1/jobs/{id}',
      'DELETE /v1/workers/{id}',
      'GET /health',
      'GET /livez',
      'GET /metrics',
      'GET /readyz',
      'GET /v1/jobs',
      'GET /v1/jobs/{id}',
      'GET /v1/jobs/{id}/definition',
      'GET /v1/jobs/{id}/log',
      'GET /v1/jobs/{id}/steps',
      'GET /v1/jobs/{id}/steps/{name}',
      'GET /v1/jobs/{id}/steps/{name}/log',
      'GET /v1/workers',
      'GET /v1/workers/{id}',
      'POST /v1/claims',
      'POST /v1/claims/extend',
      'POST /v1/claims/settle',
      'POST /v1/claims/{id}/complete',
      'POST /v1/claims/{id}/extend',
      'POST /v1/claims/{id}/fail',
      'POST /v1/claims/{id}/log',
      'POST /v1/claims/{id}/release',
      'POST /v1/jobs',
      'POST /v1/jobs/batch',
      'POST /v1/jobs/validate',
      'POST /v1/jobs/{id}/cancel',
      'POST /v1/jobs/{id}/pause',
      'POST /v1/jobs/{id}/resume',
      'POST /v1/jobs/{id}/retry',
      'POST /v1/workers',
      'POST /v1/workers/{id}/drain',
      'POST /v1/workers/{id}/heartbeat',
    ]);
  });

  test('describes every answer, parameter and operation in words', () => {
    for (const { path, method, operation } of operations()) {
      const where = `${method} ${path}`;
      expect(operation.operationId, where).toMatch(/^[a-z][A-Za-z]+$/);
      expect(operation.summary, where).toBeTruthy();
      expect(operation.tags, where).toHaveLength(1);
      for (const parameter of operation.parameters ?? []) expect(parameter.description, where).toBeTruthy();
      for (const [status, response] of Object.entries<Anything>(operation.responses)) {
        expect(response.description, `${where} ${status}`).not.toMatch(/^(Default Response)?$/);
        const types = Object.keys(response.content ?? {});
        if (Number(status) >= 400 && !path.endsWith('z') && path !== '/health') {
          expect(types, `${where} ${status}`).toEqual(['application/problem+json']);
        }
      }
      for (const status of [400, 403, 500]) expect(operation.responses, where).toHaveProperty(String(status));
    }
    expect(new Set(operations().map(({ operation }) => operation.operationId)).size).toBe(
      operations().length,
    );
  });

  test('offers the headers that a call reads, and asks for no parameter that has a default', () => {
    const parameters = (method: string, path: string): Anything[] => document.paths[path][method].parameters;
    const headers = (method: string, path: string) =>
      parameters(method, path).flatMap(({ in: place, name }) => (place === 'header' ? [name] : []));
    expect(headers('post', '/v1/jobs')).toEqual(['Idempotency-Key', 'Prefer', 'Traceparent']);
    expect(headers('get', '/v1/jobs/{id}')).toEqual(['If-None-Match', 'Prefer']);
    expect(headers('get', '/v1/jobs/{id}/steps')).toEqual(['If-None-Match']);
    for (const { operation } of operations()) {
      for (const { name, in: place, required } of operation.parameters ?? [])
        expect(required, name).toBe(place === 'path' || name === 'days');
    }
  });

  test('lists for every call that its query or a header may be refused, and the ETag of what has not changed', () => {
    for (const { path, method, operation } of operations()) {
      const { examples } = operation.responses['400'].content['application/problem+json'];
      expect(Object.keys(examples), `${method} ${path}`).toEqual(
        expect.arrayContaining(['bad_request', 'invalid_query', 'invalid_header']),
      );
      const { '200': found, '304': unchanged } = operation.responses;
      if (unchanged !== undefined) expect(unchanged.headers, path).toEqual(found.headers);
    }
    const { headers } = document.paths['/v1/jobs/{id}'].get.responses['200'];
    expect(Object.keys(headers)).toEqual(['etag', 'preference-applied']);
  });

  test('describes every field of every schema', () => {
    const seen: string[] = [];
    const visit = (schema: Anything, where: string) => {
      if (schema === null || typeof schema !== 'object') return;
      for (const [name, field] of Object.entries<Anything>(schema.properties ?? {})) {
        if (field.$ref === undefined && !field.description) seen.push(`${where}.${name}`);
        visit(field, `${where}.${name}`);
      }
      visit(schema.items, `${where}[]`);
    };
    for (const [name, schema] of Object.entries(document.components.schemas)) visit(schema, name);
    expect(seen).toEqual(['Health.database']);
  });

  test('names its schemas, and every reference leads somewhere', () => {
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining([
        'Job',
        'JobList',
        'Step',
        'StepDetail',
        'StepList',
        'Problem',
        'JobDefinition',
      ]),
    );
    for (const [, name] of JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)) {
      expect(document.components.schemas).toHaveProperty(name as string);
    }
  });

  test('knows which bodies may be left out', () => {
    const required = Object.fromEntries(
      operations()
        .filter(({ operation }) => operation.requestBody)
        .map(({ path, operation }) => [path, operation.requestBody.required]),
    );
    expect(required).toEqual({
      '/v1/claims': true,
      '/v1/claims/extend': true,
      '/v1/claims/settle': true,
      '/v1/claims/{id}/complete': false,
      '/v1/claims/{id}/extend': false,
      '/v1/claims/{id}/fail': true,
      '/v1/claims/{id}/log': false,
      '/v1/claims/{id}/release': false,
      '/v1/jobs': true,
      '/v1/jobs/batch': true,
      '/v1/jobs/validate': true,
      '/v1/jobs/{id}/cancel': false,
      '/v1/jobs/{id}/pause': false,
      '/v1/jobs/{id}/resume': false,
      '/v1/jobs/{id}/retry': false,
      '/v1/workers': true,
      '/v1/workers/{id}/drain': false,
      '/v1/workers/{id}/heartbeat': false,
    });
    expect(JSON.stringify(document)).not.toContain('x-optional-body');
  });

  test('gives problems whose codes have a status and a title', () => {
    for (const [code, { status, title }] of Object.entries(PROBLEMS)) {
      expect(status, code).toBeGreaterThanOrEqual(400);
      expect(title, code).toMatch(/^[A-Z]/);
    }
  });
});

describe('/docs', () => {
  test('shows the document in a browser', async () => {
    const page = await send(api.port, 'GET', '/docs');
    expect(page.status).toBe(200);
    expect(page.text).toContain('swagger-ui');
    const script = await send(api.port, 'GET', '/docs/static/swagger-initializer.js');
    expect(script.status).toBe(200);
  });
});
