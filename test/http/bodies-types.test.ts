import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FORMATS } from '../../src/http/bodies/formats.ts';
import { type Anything, send, type TestApi, testApi } from '../support/api.ts';
import { sendWritten } from './written.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi();
});
afterAll(() => api.close());

const WRITTEN = {
  json: '{"name": "same", "uses": "value", "input": {"b": [1, "x"], "a": null}}',
  yaml: 'input:\n  a:\n  b: [1, x]\nuses: value\nname: same\n',
  // TOML has no null.
  toml: 'name = "same"\nuses = "value"\n[input]\nb = [1, "x"]\n',
};

const types = (['yaml', 'toml'] as const).flatMap((format) =>
  FORMATS[format].types.map((type): [string, 'yaml' | 'toml'] => [type, format]),
);

describe('the content type', () => {
  test.each(types)('%s is taken by submit and validate, with UTF-8 named or not', async (type, format) => {
    for (const path of ['/v1/jobs', '/v1/jobs/validate']) {
      for (const full of [type, `${type.toUpperCase()}; charset="UTF-8"`]) {
        const answer = await sendWritten(api, full, WRITTEN[format], { path });
        expect(answer.status, `${full} ${path}`).toBe(path.endsWith('validate') ? 200 : 202);
      }
    }
  });

  test.each([
    'application/json; charset=latin1',
    'application/yaml;charset=utf-16',
    "text/toml; charset='us-ascii'",
  ])('%s is refused: bodies are UTF-8', async (type) => {
    const answer = await sendWritten(api, type, WRITTEN.json);
    expect([answer.status, answer.json.code]).toEqual([415, 'unsupported_media_type']);
    expect(answer.json.detail).toContain(`not ${type}: bodies are UTF-8 here`);
  });

  test.each([
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/plain',
    'application/xml',
  ])('%s is refused with the curl lines that work', async (type) => {
    for (const path of ['/v1/jobs', '/v1/jobs/validate']) {
      const answer = await sendWritten(api, type, WRITTEN.yaml, { path });
      expect([answer.status, answer.json.code]).toEqual([415, 'unsupported_media_type']);
      expect(answer.json.detail).toContain('curl --json @job.json');
      expect(answer.json.detail).toContain(
        "curl -H 'content-type: application/yaml' --data-binary @job.yaml",
      );
      expect(answer.json.detail).toContain('-d, which takes out the line breaks');
      expect(answer.json.detail.includes('is a form')).toBe(/form/.test(type));
    }
  });

  test('of YAML and TOML is refused where no job is sent, naming JSON alone', async () => {
    const path = '/v1/jobs/0191b0c8-5c1e-7d0a-b8a4-7a2f4f0e9b11/cancel';
    for (const [type] of types) {
      const answer = await sendWritten(api, type, 'reason: x', { path });
      expect([answer.status, answer.json.code]).toEqual([415, 'unsupported_media_type']);
      expect(answer.json.detail).toMatch(/^this call does not take (YAML|TOML); send JSON/);
      expect(answer.json.detail).not.toContain('job.yaml');
    }
  });
});

describe('the same job in another format', () => {
  test('is the same request to an idempotency key', async () => {
    const submit = (type: string, body: string, key: string) =>
      sendWritten(api, type, body, { path: '/v1/jobs', headers: { 'idempotency-key': key } });
    const first = await submit('application/json', WRITTEN.json, 'formats');
    const again = await submit('application/yaml', WRITTEN.yaml, 'formats');
    expect([first.status, again.status, again.headers['idempotency-replayed']]).toEqual([202, 200, 'true']);
    expect(again.json.id).toBe(first.json.id);
    const other = await submit('application/toml', WRITTEN.toml, 'formats');
    expect([other.status, other.json.code]).toEqual([422, 'idempotency_conflict']);
    await submit('application/toml', WRITTEN.toml, 'toml');
    const json = await submit('application/json', WRITTEN.json.replace(', "a": null', ''), 'toml');
    expect([json.status, json.headers['idempotency-replayed']]).toEqual([200, 'true']);
  });
});

test('the document shows all three formats', async () => {
  const document = (await send(api.port, 'GET', '/openapi.json')).json;
  for (const path of ['/v1/jobs', '/v1/jobs/validate']) {
    const { content } = document.paths[path].post.requestBody;
    expect(Object.keys(content)).toEqual(['application/json', 'application/yaml', 'application/toml']);
    for (const media of Object.values<Anything>(content)) expect(Object.keys(media.examples)).not.toEqual([]);
  }
});
