import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from '../../src/domain/duration.ts';

describe('parseDuration', () => {
  it.each([
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['250ms', 250],
    ['1s500ms', 1500],
    ['1m1ms', 60_001],
    ['2d', 172_800_000],
    ['1d2h3m4s5ms', 93_784_005],
    ['90m', 5_400_000],
    ['20', 20_000],
    [1, 1000],
    [3600, 3_600_000],
  ])('reads %j as %d ms', (value, ms) => {
    expect(parseDuration(value)).toEqual({ ok: true, ms });
  });

  it.each([
    ['', '"" is not a duration; write "30s", "5m", "1h30m" or whole seconds'],
    ['soon', '"soon" is not a duration; write "30s", "5m", "1h30m" or whole seconds'],
    ['1.5h', '"1.5h" is not a duration; write "30s", "5m", "1h30m" or whole seconds'],
    ['30m1h', '"30m1h" is not a duration; write "30s", "5m", "1h30m" or whole seconds'],
    ['30 s', '"30 s" is not a duration; write "30s", "5m", "1h30m" or whole seconds'],
    ['5M', '"5M" is not a duration; write "30s", "5m", "1h30m" or whole seconds'],
    [1.5, '1.5 is not a duration; write "30s", "5m", "1h30m" or whole seconds'],
    [0, '0 must be longer than zero'],
    ['0s', '"0s" must be longer than zero'],
    [-5, '-5 must be longer than zero'],
    ['-5', '"-5" must be longer than zero'],
  ])('refuses %j and says why', (value, message) => {
    expect(parseDuration(value)).toEqual({ ok: false, message });
  });

  it('shortens what it quotes', () => {
    const result = parseDuration('x'.repeat(5000));
    expect(result.ok ? '' : result.message.length).toBeLessThan(120);
  });

  it('keeps to the bounds of the caller, both ends included', () => {
    const bounds = { min: 1000, max: 60_000 };
    expect(parseDuration('1s', bounds)).toEqual({ ok: true, ms: 1000 });
    expect(parseDuration('1m', bounds)).toEqual({ ok: true, ms: 60_000 });
    expect(parseDuration('999ms', bounds)).toEqual({
      ok: false,
      message: '"999ms" is too short; the least is 1s',
    });
    expect(parseDuration(61, bounds)).toEqual({ ok: false, message: '61 is too long; the most is 1m' });
    expect(parseDuration(0, { min: 0 })).toEqual({ ok: true, ms: 0 });
    expect(parseDuration(-1, { min: 0 })).toEqual({ ok: false, message: '-1 must not be negative' });
  });

  it('refuses what no clock can count', () => {
    expect(parseDuration('99999999999999999999d').ok).toBe(false);
    expect(parseDuration(`${'9'.repeat(400)}s`).ok).toBe(false);
    expect(parseDuration(Number.NaN).ok).toBe(false);
    expect(parseDuration(Number.POSITIVE_INFINITY).ok).toBe(false);
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0s'],
    [1, '1ms'],
    [1000, '1s'],
    [5_400_000, '1h30m'],
    [86_400_000, '1d'],
    [90_061_001, '1d1h1m1s1ms'],
  ])('writes %d ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it('writes what parseDuration reads back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 45 }), (ms) => {
        expect(parseDuration(formatDuration(ms), { min: 0 })).toEqual({ ok: true, ms });
      }),
    );
  });
});
