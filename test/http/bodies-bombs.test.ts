import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestApi, testApi } from '../support/api.ts';
import { sendWritten } from './written.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi();
});
afterAll(() => api.close());

const MIB = 1024 * 1024;
const fill = (text: string, bytes: number) => text.repeat(Math.floor(bytes / text.length));

/** A body, and what it is answered with. */
type Bomb = [what: string, body: string, status: number, code: string];

const yaml: Bomb[] = [
  ['brackets', fill('[', MIB), 422, 'too_deep'],
  ['braces', fill('{', MIB), 422, 'too_deep'],
  ['maps in lists', fill('{a: [', MIB), 422, 'too_deep'],
  ['dashes', fill('- ', MIB), 422, 'too_deep'],
  ['question marks', fill('? ', MIB), 422, 'too_deep'],
  ['colons', fill(': ', MIB), 422, 'too_deep'],
  ['indentation', Array.from({ length: 1000 }, (_, i) => `${' '.repeat(i)}a:\n`).join(''), 422, 'too_deep'],
  ['billions of laughs', laughs(), 400, 'invalid_yaml'],
  ['anchors', fill('&a ', MIB), 400, 'invalid_yaml'],
  ['tags', fill('!!str ', MIB), 400, 'invalid_yaml'],
  ['documents', fill('---\n', MIB), 400, 'invalid_yaml'],
  ['closing brackets', fill(']', MIB), 400, 'invalid_yaml'],
  ['unknown escapes', `"${fill('\\x', MIB)}"`, 400, 'invalid_yaml'],
  ['quotes', fill('""', MIB), 400, 'invalid_yaml'],
  ['comments', fill('#\n', 2 * MIB), 413, 'payload_too_large'],
  ['empty lines', fill('\n', 2 * MIB), 413, 'payload_too_large'],
  ['commas', `[${fill(',', 2 * MIB - 1)}`, 413, 'payload_too_large'],
  ['one key again and again', fill('a: 1\n', MIB / 2), 422, 'duplicate_key'],
  ['fields that nobody knows', keys(), 422, 'too_many_keys'],
  ['a long plain value', `name: ${fill('x ', 2 * MIB - 10)}`, 422, 'invalid_value'],
  ['too many bytes', `name: ${'x'.repeat(2 * MIB)}`, 413, 'payload_too_large'],
];

const toml: Bomb[] = [
  ['brackets', `a=${fill('[', MIB)}`, 400, 'invalid_toml'],
  ['inline tables', `a=${fill('{a=', MIB)}`, 400, 'invalid_toml'],
  ['a dotted key', `a${fill('.a', MIB / 8)}=1`, 422, 'too_deep'],
  ['a dotted table', `[a${fill('.a', MIB / 8)}]`, 422, 'too_deep'],
  ['65 levels', `input=${'['.repeat(64)}${']'.repeat(64)}`, 422, 'too_deep'],
  ['a long number', `a=${fill('1', MIB)}`, 422, 'unsafe_number'],
  ['one key again and again', fill('a=1\n', MIB), 400, 'invalid_toml'],
  ['too many bytes', `name="${'x'.repeat(8 * MIB)}"`, 413, 'payload_too_large'],
];

const json: Bomb[] = [
  ['brackets', fill('[', 15 * MIB), 422, 'too_deep'],
  ['brackets that close', fill('[', 7 * MIB) + fill(']', 7 * MIB), 422, 'too_deep'],
  ['objects in objects', fill('{"a":', 15 * MIB), 422, 'too_deep'],
  ['brackets in a text', `{"name":"${fill('[\\"', MIB)}"}`, 422, 'invalid_value'],
];

function laughs(): string {
  const levels = Array.from({ length: 9 }, (_, i) => `a${i}: &a${i} [${fill(`*a${i - 1},`, 40)}]\n`);
  return `a: &a-1 ha\n${levels.join('')}`;
}

function keys(): string {
  let text = '';
  for (let i = 0; text.length < MIB; i++) text += `k${i}:\n`;
  return text;
}

// Each takes a second or two on an idle machine; this is to notice what grows with the square of the body.
const SECONDS = 15;

describe.each([
  ['application/json', json],
  ['application/yaml', yaml],
  ['application/toml', toml],
])('a hostile body of %s', (type, bombs) => {
  test.each(bombs)(
    'is refused soon: %s',
    async (_what, body, status, code) => {
      const before = performance.now();
      const answer = await sendWritten(api, type, body);
      expect(performance.now() - before).toBeLessThan(SECONDS * 1000);
      expect([answer.status, answer.json.errors[0]?.code ?? answer.json.code]).toEqual([status, code]);
    },
    30_000,
  );
});

test('64 levels are taken in each format, 65 in none', async () => {
  const lists = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  for (const [type, write] of [
    ['application/json', (depth: number) => `{"name":"x","uses":"value","input":${lists(depth)}}`],
    ['application/yaml', (depth: number) => `name: x\nuses: value\ninput: ${lists(depth)}`],
    ['application/yaml', (depth: number) => `name: x\nuses: value\ninput:\n  ${'- '.repeat(depth)}`],
    ['application/toml', (depth: number) => `name="x"\nuses="value"\ninput=${lists(depth)}`],
  ] as const) {
    // The job itself is a level.
    expect((await sendWritten(api, type, write(63))).status, type).toBe(200);
    const deep = await sendWritten(api, type, write(64));
    expect([deep.status, deep.json.errors[0].code], type).toEqual([422, 'too_deep']);
  }
});

test('other requests are answered while a large body is read', async () => {
  const steps = Array.from(
    { length: 8000 },
    (_, i) => `  - {name: s${i}, uses: value, with: {sum: ${'ab'.repeat(32)}}}\n`,
  );
  const large = sendWritten(api, 'application/yaml', `name: large\nsteps:\n${steps.join('')}`);
  let [isRead, answered] = [false, 0];
  const done = large.then((answer) => {
    isRead = true;
    return answer;
  });
  while (!isRead) {
    expect((await api.call('GET', '/livez')).status).toBe(200);
    answered++;
  }
  expect((await done).json.plan[0]).toHaveLength(8000);
  // Were it read in between, one would be answered before and one after.
  expect(answered).toBeGreaterThan(10);
}, 30_000);
