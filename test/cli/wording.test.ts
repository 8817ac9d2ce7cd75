import { describe, expect, it, vi } from 'vitest';
import { guessFormat } from '../../src/cli/definition-file.ts';
import { writeLog } from '../../src/cli/follow-log.ts';
import { stepLine } from '../../src/cli/live-display.ts';
import { openOutput } from '../../src/cli/output.ts';
import { layOut } from '../../src/cli/table.ts';
import {
  forTerminal,
  plain,
  showAge,
  showDuration,
  showProgress,
  showRemaining,
} from '../../src/cli/wording.ts';

describe('what the command line says', () => {
  it.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [2100, '2.1 s'],
    [59_949, '59.9 s'],
    [59_960, '1 m 00 s'],
    [65_000, '1 m 05 s'],
    [3_599_700, '1 h 00 m'],
    [11_520_000, '3 h 12 m'],
    [187_200_000, '2 d 4 h'],
  ])('of %d ms is %s', (ms, text) => expect(showDuration(ms)).toBe(text));

  it('of an instant is how long ago it was, or how soon it is', () => {
    const at = (ms: number) => showAge(new Date(1e12 + ms).toISOString(), 1e12);
    expect([at(400), at(-400), at(-61_000), at(7_200_000), at(-2e8)]).toEqual([
      ...['now', 'now', '1 m ago', 'in 2 h', '2 d ago'],
    ]);
    expect(showAge(null, 0)).toBe('-');
  });

  it('keeps 100 % for what is over, and does not promise to the millisecond', () => {
    expect([0, 0.29, 0.999, 1].map(showProgress)).toEqual(['0 %', '29 %', '99 %', '100 %']);
    expect([-500, 900, 2400, 65_400].map(showRemaining)).toEqual([
      ...['under 1 s', 'under 1 s', 'about 2 s', 'about 1 m 05 s'],
    ]);
  });

  it('holds nothing that a terminal would obey', () => {
    expect(plain('\u001b[31mred\u001b[0m \u001b]0;title\u0007a\nb\u0000c')).toBe('red a b c');
  });

  it('of a log keeps colours and lines, and nothing else that a terminal would obey', () => {
    const written =
      '\u001b[1;31mred\u001b[0m\t1\r\n\u001b]52;c;ZXZpbA==\u0007\u001b[2J\u001b[6n\u009b31m\u001bc\u202ea';
    expect(forTerminal(written)).toBe('\u001b[1;31mred\u001b[0m\t1\r\n]52;c;ZXZpbA==[2J[6n31mca');
    const [file, terminal] = [false, true].map((isTerminal) => {
      const output = { ...openOutput(false), isTerminal, write: vi.fn() };
      writeLog(output, Buffer.from(written));
      return output.write.mock.calls.map(([part]) => String(part)).join('');
    });
    expect([file, terminal]).toEqual([written, forTerminal(written)]);
    expect(plain('a\u202eb\u2066c')).toBe('abc');
  });

  it('of a step that runs is how long it does, which attempt it is and how far it is', () => {
    const started_at = '2026-11-21T10:00:00.000Z';
    const error = null;
    const step = {
      name: 'a',
      status: 'running',
      attempt: 2,
      progress: 0.5,
      started_at,
      error,
      blocked_by: [],
    };
    const line = stepLine(openOutput(false), step as never, Date.parse(started_at) + 212);
    expect(plain(line)).toBe('  a  running  212 ms, attempt 2, 50 %');
  });

  it('stands in columns, whatever the width of the letters, and fits the terminal', () => {
    const rows = [
      ['寿司', 'x'],
      ['\u001b[32mab\u001b[39m', 'a long note that does not fit'],
    ];
    expect(layOut(['NAME', 'NOTE'], rows, 20)).toBe(
      'NAME  NOTE\n寿司  x\n\u001b[32mab\u001b[39m    a long note t…',
    );
  });
});

describe('a definition without the name of a format', () => {
  it.each([
    ['{"name": "a"}', 'json'],
    ['\n{\n  "name": 1}', 'json'],
    ['{}', 'json'],
    ['name: a', 'yaml'],
    ['# a\n---\nname: "a = b"', 'yaml'],
    ['{name: a}', 'yaml'],
    ['name = "a"', 'toml'],
    ['# a\n[[steps]]\nname = "a"', 'toml'],
    ['"my name" = 1', 'toml'],
  ])('%j is %s', (text, format) => expect(guessFormat(text)).toBe(format));
});
