import { describe, expect, it } from 'vitest';
import { buildOutput, createDecoder, createTail } from '../../src/actions/shell/output.ts';
import { LIMITS } from '../../src/domain/limits.ts';

function tailOf(text: string, limit: number = LIMITS.valueBytes) {
  const tail = createTail(limit);
  tail.push(Buffer.from(text));
  return tail;
}

function bytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

describe('a tail', () => {
  it('keeps the last bytes, however they arrive', () => {
    for (const size of [1, 7, 100, 5000]) {
      const tail = createTail(100);
      const all = Buffer.from(Array.from({ length: 5000 }, (_, index) => 97 + (index % 26)));
      for (let at = 0; at < all.length; at += size) tail.push(all.subarray(at, at + size));
      expect(tail.text()).toBe(all.subarray(-100).toString());
      expect(tail.dropped()).toBe(4900);
    }
  });

  it('does not begin in the middle of a character', () => {
    expect(tailOf('aéé', 3).text()).toBe('é');
    expect(tailOf('aéé', 5).text()).toBe('aéé');
  });
});

describe('an output', () => {
  it('keeps JSON whole where the text and its parsed form do not fit together', () => {
    const rows = Array.from({ length: 150_000 }, () => 1);
    const { output, cut } = buildOutput(
      0,
      tailOf(`${JSON.stringify(rows).slice(0, 160_000).replace(/,?$/, ']')}\n`),
    );
    expect(Array.isArray(output.json)).toBe(true);
    expect(output.stdout).toMatch(/^\[only the end of stdout is kept here.*\n[1,]+\]$/);
    expect(cut).toBe(true);
    expect(bytes(output)).toBeLessThanOrEqual(LIMITS.valueBytes);
    expect(bytes(output)).toBeGreaterThan(LIMITS.valueBytes - 10);
  });

  it('stays within its limit when every character has to be escaped', () => {
    for (const text of ['\u0001', '"', '😀', '\n']) {
      const { output } = buildOutput(0, tailOf(text.repeat(LIMITS.valueBytes)));
      expect(bytes(output)).toBeLessThanOrEqual(LIMITS.valueBytes);
      expect(bytes(output)).toBeGreaterThan(LIMITS.valueBytes - 20);
      expect(output.stdout.isWellFormed()).toBe(true);
    }
  });

  it('gives up JSON that alone would be too large', () => {
    const text = JSON.stringify('\u0001'.repeat(43_680));
    const { output } = buildOutput(0, tailOf(text));
    expect(output.json).toBeNull();
    expect(bytes(output)).toBeLessThanOrEqual(LIMITS.valueBytes);
  });
});

describe('a decoder', () => {
  it('joins characters that were cut, and marks what is no text', () => {
    const decoder = createDecoder();
    const parts = [Buffer.from([0xe2, 0x82]), Buffer.from([0xac, 0x00]), Buffer.from([0xff, 0xe2])];
    expect(parts.map((part) => decoder.decode(part)).join('') + decoder.end()).toBe('€\uFFFD\uFFFD\uFFFD');
  });
});
