import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inspectValue } from '../../src/http/bodies/body-text.ts';
import { measureJson } from '../../src/http/bodies/json-text.ts';
import { requestHash } from '../../src/http/idempotency.ts';
import { sendWritten } from '../http/written.ts';
import { type TestApi, testApi } from '../support/api.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi();
});
afterAll(() => api.close());

const list = (count: number, item: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => item(i)).join();
const job = (input: string) => `{"name":"x","uses":"value","input":${input}}`;

describe('a body of too many parts', () => {
  test.each([
    ['application/json', 'too_many_values', job(`[${list(1_000_001, () => '[]')}]`)],
    ['application/json', 'unsafe_number', job(`[${list(100_000, () => '12345678901234567')}]`)],
    ['application/json', 'too_many_values', job(`{${list(1_000_001, () => '"a":1')}}`)],
    ['application/json', 'too_many_keys', job(`{${list(100_001, (i) => `"k${i}":1`)}}`)],
    ['application/json', 'too_many_keys', job(`[${list(100_001, (i) => `{"k${i}" : 1}`)}]`)],
    [
      'application/toml',
      'too_many_keys',
      `name="x"\n${list(100_001, (i) => `k${i}=1\n`).replaceAll(',', '')}`,
    ],
  ])(
    'is refused before it is read, in %s: %s',
    async (type, code, body) => {
      const answer = await sendWritten(api, type, body);
      expect([answer.status, answer.json.errors[0].code]).toEqual([422, code]);
    },
    60_000,
  );

  test('is refused in every call, also in a batch of outcomes', async () => {
    const body = `{"outcomes":[],"more":{${list(100_001, (i) => `"k${i}":1`)}}}`;
    const answer = await sendWritten(api, 'application/json', body, { path: '/v1/claims/settle' });
    expect([answer.status, answer.json.errors[0].code]).toEqual([422, 'too_many_keys']);
  });

  test('that is near them is taken', async () => {
    const parts = list(
      60,
      (i) => `{"name":"s${i}","uses":"value","with":[${list(16_000, (j) => String(j % 10))}]}`,
    );
    const answer = await sendWritten(api, 'application/json', `{"name":"x","steps":[${parts}]}`);
    expect(answer.status).toBe(200);
  }, 60_000);

  test('with more mistakes than can be told is told one', async () => {
    const body = `{"outcomes":[${list(1000, () => `{${list(90, (i) => `"k${i}":1`)}}`)}]}`;
    const answer = await sendWritten(api, 'application/json', body, { path: '/v1/claims/settle' });
    expect([answer.status, answer.json.code, answer.json.errors.length]).toEqual([422, 'invalid_body', 1]);
  });
});

test('a text is measured as what it says: strings hold no brackets and no keys', () => {
  const most = { depth: 100, values: 1000, differentKeys: 1000 };
  const text = JSON.stringify({ 'a"': '[{,":', b: [1, [2, { b: '\\' }]], c: {} });
  const { values, keys, depth, differentKeys } = measureJson(text, most);
  expect({ keys, depth, different: [...differentKeys] }).toEqual({
    keys: 4,
    depth: 4,
    different: ['a\\"', 'b', 'c'],
  });
  expect(values).toBe(10);
  expect(inspectValue(JSON.parse(text), [])).toBe(keys);
});

test('the hash of a body is the one that it always was', async () => {
  const body = { steps: [{ b: 1, a: [null, 'x'] }, {}], name: 'x', empty: [], n: { z: 1, y: { x: 2 } } };
  const again = { n: { y: { x: 2 }, z: 1 }, empty: [], name: 'x', steps: [{ a: [null, 'x'], b: 1 }, {}] };
  const before = '{"empty":[],"n":{"y":{"x":2},"z":1},"name":"x","steps":[{"a":[null,"x"],"b":1},{}]}';
  const { createHash } = await import('node:crypto');
  const expected = createHash('sha256').update(before).digest('hex');
  expect([await requestHash(body), await requestHash(again)]).toEqual([expected, expected]);
});

test('other requests are answered while a large JSON body is read and checked', async () => {
  const expressions = (i: number) => list(1000, (j) => `"\${{ input.a + ${1000 * i + j} }}"`);
  const steps = list(60, (i) => `{"name":"s${i}","uses":"value","with":[${expressions(i)}]}`);
  let isOver = false;
  const large = sendWritten(api, 'application/json', `{"name":"x","steps":[${steps}]}`).finally(() => {
    isOver = true;
  });
  let answered = 0;
  while (!isOver) {
    expect((await api.call('GET', '/livez')).status).toBe(200);
    answered++;
  }
  expect((await large).status).toBe(200);
  // Were it checked in one go, one would be answered before and one after.
  expect(answered).toBeGreaterThan(3);
}, 60_000);
