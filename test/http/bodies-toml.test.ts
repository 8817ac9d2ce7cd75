import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestApi, testApi } from '../support/api.ts';
import { type Mistake, mistakeOf, sendWritten } from './written.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi();
});
afterAll(() => api.close());

const send = (body: string | Buffer) => sendWritten(api, 'application/toml', body);
const job = (input: string) => `name = "x"\nuses = "value"\ninput = ${input}\n`;

describe('a job in TOML', () => {
  test('is read as it was meant, comments and all', async () => {
    const answer = await send(`\uFEFF# a job\r
name = "nightly-report"
run_at = 2026-11-21T02:00:00+01:00
labels.team = "data"

[defaults.retry]
max_attempts = 3

[[steps]]
name = "extract"
uses = "value"
with = {rows = [1, 2.5, -3, 0xff, 1_000], day = 2026-11-20, at = 07:32:00, local = 2026-11-20 07:32:00}

[[steps]]
name = "publish"
needs = ["extract"]
if = "!failure()"
uses = "value"
with.run = '''
echo "a = b" # not a comment
'''
with.said = "\${{ steps.extract.output.rows }}"
`);
    expect(answer.status).toBe(200);
    expect(answer.json.definition).toMatchObject({
      run_at: '2026-11-21T01:00:00.000Z',
      labels: { team: 'data' },
      defaults: { retry: { max_attempts: 3 } },
      steps: [
        {
          with: {
            rows: [1, 2.5, -3, 255, 1000],
            day: '2026-11-20',
            at: '07:32:00.000',
            local: '2026-11-20T07:32:00.000',
          },
        },
        {
          if: '!failure()',
          with: { run: 'echo "a = b" # not a comment\n', said: '${{ steps.extract.output.rows }}' },
        },
      ],
    });
  });

  test('keeps the 29th of February, and text that looks like a day that does not exist', async () => {
    const answer = await send(job('[2028-02-29, "2026-02-30", "due 2026-02-31"]'));
    expect(answer.json.definition.input).toEqual(['2028-02-29', '2026-02-30', 'due 2026-02-31']);
  });

  test('keeps keys that every object inherits', async () => {
    const answer = await send(job('{constructor = 1, toString = 2, hasOwnProperty = 3}'));
    expect(answer.json.definition.input).toEqual({ constructor: 1, toString: 2, hasOwnProperty: 3 });
  });
});

const bad = (line: number | null) => ({ status: 400, code: 'invalid_toml', line });
const wrong = (line: number) => ({ status: 422, code: 'invalid_body', line });

const mistakes: [string, Mistake][] = [
  ['nothing', { body: ' \n', ...bad(null), says: 'the body is empty' }],
  [
    'a word without quotes',
    { body: 'name = hello', ...bad(1), says: 'column 8: this is no value; put text' },
  ],
  [
    'an expression without quotes',
    { body: job('${{ a }}'), ...bad(3), says: 'line 3, column 9: this is no value; put text in quotes' },
  ],
  ['an open quote', { body: 'name = "x\nuses = "y"', ...bad(1), says: /line 1/ }],
  ['a key twice', { body: 'name = "x"\nname = "y"', ...bad(2), says: 'stands here a second time' }],
  [
    'a table instead of an item',
    { body: '[[steps]]\nname = "a"\n[steps]\nname = "b"', ...bad(3), says: '[[steps]], in two brackets' },
  ],
  ['YAML', { body: 'name: x\n', ...bad(1), says: 'this looks like YAML' }],
  ['JSON', { body: '{"name": "x"}', ...bad(1), says: 'this looks like JSON' }],
  ['a day that does not exist', { body: job('[1,\n2026-02-30]'), ...bad(4), says: 'there is no such day' }],
  ['an hour of such a day', { body: job('2027-02-29T00:00:00Z'), ...bad(3), says: 'there is no such day' }],
  ['a zero in front', { body: job('007'), ...bad(3), says: 'illegal leading zero' }],
  ['a control character', { body: 'name = "a\u0001"', ...bad(1), says: 'control' }],
  ['__proto__', { body: job('{a = 1, __proto__ = {b = 1}}'), ...wrong(3), says: '`__proto__` is not taken' }],
  ['__proto__ as a table', { body: `${job('1')}[__proto__]\na = 1`, ...wrong(1), says: '`__proto__`' }],
  ['a number past 2^53', { body: job('[1,\n9007199254740993]'), ...wrong(4), says: '9007199254740993' }],
  ['a number past doubles', { body: job('1e400'), ...wrong(3), says: 'the number inf would arrive changed' }],
  ['infinity', { body: job('-inf'), ...wrong(3), says: '-inf would arrive changed' }],
  ['no number', { body: job('nan'), ...wrong(3), says: 'nan would arrive changed' }],
];

describe('a mistake in TOML', () => {
  test.each(mistakes)('is answered with its line and what to write: %s', async (_what, mistake) => {
    const { body, says, ...expected } = mistake;
    const answer = await send(body);
    expect(mistakeOf(answer)).toEqual(expected);
    if (typeof says === 'string') expect(answer.json.detail).toContain(says);
    else expect(answer.json.detail).toMatch(says);
  });

  test('is refused where bytes are not UTF-8', async () => {
    const answer = await send(Buffer.from([...Buffer.from('name = "'), 0xff, 0x22]));
    expect([answer.status, answer.json.code]).toEqual([400, 'invalid_toml']);
    expect(answer.json.detail).toContain('not UTF-8');
  });
});

test('a mistake in a job that is written in TOML has the line of its key, its item, or what should hold it', async () => {
  const answer = await send(
    [
      'name = "x"', // 1
      'timeout = "soon"', // 2
      'run_at = 2026-11-21T02:00:00', // 3, without an offset
      '[labels]', // 4
      'a = 5', // 5
      '"b:c" = "d"', // 6
      '[[steps]]', // 7
      'name = "a"', // 8
      'uses = "value"', // 9
      'with = {deep = [1, 2,', // 10
      '  "${{ steps.b.output }}"]}', // 11
      '[[steps]]', // 12
      'uses = "value"', // 13
      'needs = [', // 14
      '  "nobody"]', // 15
      'retry.max_tries = 3', // 16
      '[steps.with]', // 17
      'x = "${{ nope }}"', // 18
    ].join('\n'),
  );
  expect([answer.status, answer.json.code]).toEqual([422, 'invalid_definition']);
  const found = answer.json.errors.map(
    ({ pointer, line }: { pointer: string; line: number }) => `${line} ${pointer}`,
  );
  expect(found.sort()).toEqual(
    [
      '2 /timeout',
      '3 /run_at',
      '5 /labels/a',
      '6 /labels/b:c',
      '11 /steps/0/with/deep/2',
      '12 /steps/1',
      '15 /steps/1/needs/0',
      '16 /steps/1/retry/max_tries',
      '18 /steps/1/with/x',
    ].sort(),
  );
});
