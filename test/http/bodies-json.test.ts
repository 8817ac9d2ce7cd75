import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestApi, testApi } from '../support/api.ts';
import { sendWritten } from './written.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi();
});
afterAll(() => api.close());

const send = (body: string | Buffer) => sendWritten(api, 'application/json', body);

describe('a key that stands twice in JSON', () => {
  test.each<[string, string, number | undefined]>([
    ['{"name":"x","uses":"value","name":"y"}', '/name', undefined],
    ['{"name":"x","uses":"value","\\u006eame":"y"}', '/name', undefined],
    ['{"name":"x",\n"uses":"value",\n"input":{"a":[{},{"b/c":1,"d":2,\n"b/c" : 3}]}}', '/input/a/1/b~1c', 4],
    ['{"name":"x","uses":"value","input":{"":{"":1,"":2}}}', '/input//', undefined],
    ['{"name":"x","uses":"value","input":{"__proto__x":[],"__proto__x":[]}}', '/input/__proto__x', undefined],
  ])('is refused with its place, since one value would be lost: %s', async (body, pointer, line) => {
    const answer = await send(body);
    expect([answer.status, answer.json.code]).toEqual([422, 'invalid_body']);
    const entry = { pointer, code: 'duplicate_key', detail: expect.stringContaining('keep one') };
    expect(answer.json.errors).toEqual([line === undefined ? entry : { ...entry, line }]);
  });

  test.each([
    '{"name":"x","uses":"value","input":["a:b","\\":","\\\\",{"a":"a","b":{"a":"a"}}]}',
    '{"name":"x","uses":"value","input":{"a\\"":1,"a":{"a\\\\":[{"a":1},{"a":1}]},"b":[[],[{}],""]}}',
    ' {"name" : "x" , "uses"\n:\t"value"\r\n}\n',
  ])('is not seen where there is none: %s', async (body) => {
    expect((await send(body)).status).toBe(200);
  });

  test('is said at most 100 times', async () => {
    const answer = await send(`{"name":"x","uses":"value","input":{${'"a":1,'.repeat(300)}"b":1}}`);
    expect(answer.json.errors).toHaveLength(100);
  });
});

describe('a mistake in JSON', () => {
  const mistaken = {
    name: 'x',
    steps: [
      { name: 'a', uses: 'value' },
      { uses: 'value', needs: ['b', 'c'] },
    ],
  };

  test('has its line when the body has several', async () => {
    const answer = await send(JSON.stringify(mistaken, null, 2));
    expect(
      answer.json.errors.map(({ pointer, line }: { pointer: string; line: number }) => [pointer, line]),
    ).toEqual([
      ['/steps/1', 8],
      ['/steps/1/needs/0', 11],
      ['/steps/1/needs/1', 12],
    ]);
    const unsafe = await send('{\n"name": "x",\n"input": [\n1,\n9007199254740993]}');
    expect(unsafe.json.errors).toEqual([expect.objectContaining({ pointer: '/input/1', line: 5 })]);
  });

  test('has none when the body is one line', async () => {
    const answer = await send(JSON.stringify(mistaken));
    expect(answer.json.errors).toHaveLength(3);
    for (const entry of answer.json.errors) expect(entry).not.toHaveProperty('line');
    expect(answer.json.detail).not.toContain('line');
  });
});

test('JSON may begin with a byte order mark', async () => {
  expect((await send('\uFEFF{"name":"x","uses":"value"}')).status).toBe(200);
});
