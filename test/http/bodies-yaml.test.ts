import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TestApi, testApi } from '../support/api.ts';
import { type Mistake, mistakeOf, sendWritten } from './written.ts';

let api: TestApi;
beforeAll(async () => {
  api = await testApi();
});
afterAll(() => api.close());

const send = (body: string | Buffer) => sendWritten(api, 'application/yaml', body);
const job = (input: string) => `name: x\nuses: value\ninput:${input}\n`;
const inputOf = async (input: string) => (await send(job(input))).json.definition?.input;

describe('a job in YAML', () => {
  test('is read as it was meant, comments and all', async () => {
    const answer = await send(`%YAML 1.2
--- # a job
name: nightly-report
run_at: 2026-11-21T02:00:00Z
labels: {team: data, 2026: "yes"}
steps:
  - name: extract
    uses: value
    with: { rows: [1, 2.5, -3], day: 2026-11-20, folded: "one
      two" }
  - name: publish
    needs: [extract]
    if: "!failure()"
    uses: value
    with:
      run: |
        echo "a: b" # not a comment
      said: \${{ steps.extract.output.rows }}
...
`);
    expect(answer.status).toBe(200);
    expect(answer.json.definition).toMatchObject({
      run_at: '2026-11-21T02:00:00.000Z',
      labels: { team: 'data', 2026: 'yes' },
      steps: [
        { with: { rows: [1, 2.5, -3], day: '2026-11-20', folded: 'one two' } },
        {
          if: '!failure()',
          with: { run: 'echo "a: b" # not a comment\n', said: '${{ steps.extract.output.rows }}' },
        },
      ],
    });
  });

  test.each<[string, unknown]>([
    [' yes', 'yes'],
    [' off', 'off'],
    [' true', true],
    [' ~', undefined],
    ['', undefined],
    [' 2026-11-21', '2026-11-21'],
    [' 12:30:45', '12:30:45'],
    [' 1_000', '1_000'],
    [' 0x1f', 31],
    [' 1e3', 1000],
    [' !!str 5', '5'],
    [' {1: a, true: b, null: c, 1.0: d}', { 1: 'a', true: 'b', null: 'c', '1.0': 'd' }],
    [' {"<<": 1}', { '<<': 1 }],
    [' {a, b}', { a: null, b: null }],
    [' [\u0002, \u001f, ---, \u0018]', ['\u0002', '\u001f', '---', '\u0018']],
    ['\n  - - 1\n  -\n', [[1], null]],
    [' {constructor: 1, toString: 2, hasOwnProperty: 3}', { constructor: 1, toString: 2, hasOwnProperty: 3 }],
  ])('reads%s by the core schema of YAML 1.2', async (written, value) => {
    expect(await inputOf(written)).toEqual(value);
  });

  test('may begin with a byte order mark and end its lines as Windows does', async () => {
    const answer = await send(Buffer.from(`\uFEFF${job(' 1\nlabels:\n  a: b').replaceAll('\n', '\r\n')}`));
    expect(answer.json.definition).toMatchObject({ name: 'x', input: 1, labels: { a: 'b' } });
  });
});

const mistakes: [string, Mistake][] = [
  ['nothing', { body: '', ...bad(null), says: 'the body is empty' }],
  ['comments alone', { body: '# a job\n', ...bad(null), says: 'curl -d takes out line breaks' }],
  ['a tab', { body: 'name: x\nwith:\n\trun: a', ...bad(3), says: 'line 3, column 1: a tab cannot indent' }],
  [
    'a negated condition',
    {
      body: 'name: x\nsteps:\n  - name: a\n    if: !failure() # join\n',
      ...bad(4),
      says: 'line 4, column 9: YAML takes `!failure()` for a tag, and there are none here; if it is meant as text, put it in quotes: `if: "!failure()"`',
    },
  ],
  [
    'an expression with a colon',
    {
      body: job(' ${{ a ? b : c }}'),
      ...bad(3),
      says: /holds a colon and a space in quotes.*value that holds an expression in quotes: "\$\{\{ … \}\}"/,
    },
  ],
  [
    'an expression in a flow map',
    {
      body: job(' {a: ${{ b }}}'),
      ...bad(3),
      says: /line 3, column \d+: .*Put a value that holds an expression in quotes/,
    },
  ],
  [
    'braces of a template',
    { body: job(' {{ a }}'), ...bad(3), says: /a key must be text.*an expression in quotes/ },
  ],
  ['an alias', { body: 'name: x\ninput: [*a]', ...bad(2), says: '`*a` for an alias' }],
  [
    'cron in a plain value',
    { body: 'name: x\ninput: */5 * * * *', ...bad(2), says: 'put it in quotes: `input: "*/5 * * * *"`' },
  ],
  ['an anchor', { body: 'name: &n x', ...bad(1), says: '`&n` for an anchor' }],
  ['a merge key', { body: job('\n  <<: {a: 1}'), ...bad(4), says: 'merge keys are not taken' }],
  ['a tag of JavaScript', { body: job(' !!js/function "f"'), ...bad(3), says: '`!!js/function` for a tag' }],
  ['a tag of bytes', { body: job(' !!binary aGk='), ...bad(3), says: '`!!binary`' }],
  ['a tag that its value denies', { body: job(' !!float 1'), ...bad(3), says: 'the tag `!!float` says' }],
  ['a tag of a list on a map', { body: job(' !!seq {a: 1}'), ...bad(3), says: 'the tag `!!seq` says' }],
  ['a tag of text on a list', { body: job(' !!str [a]'), ...bad(3), says: 'the tag `!!str` says' }],
  ['a tag in full', { body: job(' !<tag:yaml.org,2002:str> a'), ...bad(3), says: 'for a tag' }],
  ['a directive', { body: '%TAG ! tag:x,2026:\n---\nname: x', ...bad(1), says: 'the directive' }],
  ['another version', { body: '%YAML 1.1\n---\nname: x', ...bad(1), says: '`%YAML 1.1` is not taken' }],
  ['a second document', { body: `${job(' 1')}---\nname: y`, ...bad(4), says: 'second document' }],
  ['an empty second document', { body: `${job(' 1')}---\n`, ...bad(4), says: 'second document' }],
  ['a document after the end', { body: `${job(' 1')}...\nname: y`, ...bad(5), says: 'second document' }],
  ['a list as a key', { body: job('\n  ? [a]\n  : 1'), ...bad(4), says: 'a key must be text' }],
  ['no key', { body: job('\n  : 1'), ...bad(4), says: 'there is no key before this colon' }],
  ['a reserved character', { body: 'name: @x', ...bad(1), says: 'cannot begin with @; put it in quotes' }],
  ['an open quote', { body: 'name: "x\nuses: value', ...bad(2), says: /quote|line/ }],
  ['an open bracket', { body: job(' [1, 2'), ...bad(4), says: 'a bracket is opened and not closed' }],
  ['a bracket too many', { body: job(' 1]]').replace('1]]', '[1]]'), ...bad(3), says: 'bracket' }],
  ['text after a quote', { body: 'name: "x" y', ...bad(1), says: 'the value ended before this' }],
  ['no space after a colon', { body: 'name:x\nuses: value', ...bad(1), says: 'write `key: value`' }],
  ['a crooked list', { body: 'name: x\nneeds:\n  - a\n - b', ...bad(4), says: 'in the same column' }],
  ['an unknown escape', { body: 'name: "\\d"', ...bad(1), says: 'this backslash begins no escape' }],
  ['a key twice', { body: 'name: x\nuses: value\nname: y', ...wrong(3), says: '`name` stands here twice' }],
  ['a key twice, deep', { body: job('\n  a: {b: 1,\n   b: 2}'), ...wrong(5), says: 'line 5: `b` stands' }],
  ['a key in two spellings', { body: job('\n  a: 1\n  "a": 2'), ...wrong(5), says: '`a` stands here twice' }],
  ['__proto__', { body: job('\n  __proto__: {a: 1}'), ...wrong(4), says: '`__proto__` is not taken' }],
  [
    'a number past 2^53',
    { body: job('\n  - 1\n  - 9007199254740993'), ...wrong(5), says: '9007199254740993' },
  ],
  ['a number past doubles', { body: job(' 1e400'), ...wrong(3), says: '1e400 would arrive changed' }],
  ['infinity', { body: job(' -.inf'), ...wrong(3), says: '-.inf would arrive changed' }],
  ['no number', { body: job(' .nan'), ...wrong(3), says: '.nan would arrive changed' }],
  ['zeros in front', { body: job(' 007'), ...wrong(3), says: '007 would arrive as 7; put it in quotes' }],
];

function bad(line: number | null) {
  return { status: 400, code: 'invalid_yaml', line };
}

function wrong(line: number) {
  return { status: 422, code: 'invalid_body', line };
}

describe('a mistake in YAML', () => {
  test.each(mistakes)('is answered with its line and what to write: %s', async (_what, mistake) => {
    const { body, says, ...expected } = mistake;
    const answer = await send(body);
    expect(mistakeOf(answer)).toEqual(expected);
    if (typeof says === 'string') expect(answer.json.detail).toContain(says);
    else expect(answer.json.detail).toMatch(says);
  });

  test('has a pointer where the value has one', async () => {
    const answer = await send(job('\n  a/b: [0, {c: .inf}]\n  d: 010'));
    expect(answer.json.errors).toEqual([
      { pointer: '/input/a~1b/1/c', code: 'unsafe_number', detail: expect.any(String), line: 4 },
      { pointer: '/input/d', code: 'unsafe_number', detail: expect.any(String), line: 5 },
    ]);
  });

  test('is refused where bytes are not UTF-8', async () => {
    const answer = await send(Buffer.from([...Buffer.from('name: '), 0xff, 0x0a]));
    expect([answer.status, answer.json.code]).toEqual([400, 'invalid_yaml']);
    expect(answer.json.detail).toContain('not UTF-8');
  });
});

describe('a mistake in a job that is written in YAML', () => {
  const lines = [
    'name: x', // 1
    'timeout: soon', // 2
    'labels:', // 3
    '  a: 5', // 4
    'steps:', // 5
    '  - name: a', // 6
    '    uses: value', // 7
    '    with:', // 8
    '      deep: [1, 2,', // 9
    '        "${{ steps.b.output }}"]', // 10
    '  - uses: value', // 11
    '    needs: [', // 12
    '      nobody]', // 13
    '    depends_on: [a]', // 14
    'run_at: tomorrow', // 15
  ].join('\n');

  test('has the line of its key, of its item, or of what should hold it', async () => {
    const answer = await send(lines);
    expect([answer.status, answer.json.code]).toEqual([422, 'invalid_definition']);
    const found = answer.json.errors.map(
      ({ pointer, line }: { pointer: string; line: number }) => `${line} ${pointer}`,
    );
    expect(found.sort()).toEqual(
      [
        '2 /timeout',
        '4 /labels/a',
        '10 /steps/0/with/deep/2',
        '11 /steps/1',
        '13 /steps/1/needs/0',
        '14 /steps/1/depends_on',
        '15 /run_at',
      ].sort(),
    );
  });

  test('names the line of the first in its sentence', async () => {
    const answer = await send('uses: value\n\n\nnope: 1\nname: x');
    expect(answer.json.detail).toMatch(/^`nope` is .* \(at \/nope, line 4\)$/);
    expect(answer.json.errors[0].line).toBe(4);
  });

  test('is a warning with its line, in submit and in validate', async () => {
    const body = 'name: x\nsteps:\n  - name: a\n    uses: resize\n';
    for (const path of ['/v1/jobs', '/v1/jobs/validate']) {
      const answer = await sendWritten(api, 'application/yaml', body, { path });
      expect(answer.json.warnings, path).toEqual([
        expect.objectContaining({ pointer: '/steps/0/uses', code: 'unknown_action', line: 4 }),
      ]);
    }
  });
});
