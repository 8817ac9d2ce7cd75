import { describe, expect, it, test } from 'vitest';
import { isLoopback, readHostName } from '../../src/domain/host-name.ts';

describe('a host', () => {
  test.each([
    ['Holdfast.Example', 'holdfast.example', ''],
    ['holdfast.example.', 'holdfast.example', ''],
    ['holdfast.example:8080', 'holdfast.example', '8080'],
    ['holdfast.example:80', 'holdfast.example', ''],
    ['holdfast.example:443', 'holdfast.example', ''],
    ['holdfast.example:', 'holdfast.example', ''],
    ['build_server', 'build_server', ''],
    ['127.1', '127.0.0.1', ''],
    ['0x7f000001:3000', '127.0.0.1', '3000'],
    ['[0:0:0:0:0:0:0:1]:3000', '[::1]', '3000'],
    ['[2001:DB8::1]', '[2001:db8::1]', ''],
  ])('is read in one spelling: %s', (text, name, port) => {
    expect(readHostName(text)).toEqual({ name, port });
  });

  test.each([
    '',
    ':80',
    'a b',
    'a,b',
    'a/b',
    'a@b',
    'a%2eb',
    'a:b',
    'a:1:2',
    '::1',
    '[::1',
    '[::g]',
    '[1:2]',
    '*.a',
    'ü.example',
    '1.2.3.999',
  ])('is none: "%s"', (text) => {
    expect(readHostName(text)).toBeNull();
  });

  it('is of loopback by its name or by its address, however it is written', () => {
    const read = (text: string) => isLoopback(readHostName(text)?.name ?? '');
    for (const host of [
      'localhost',
      'LOCALHOST.',
      '127.0.0.1',
      '127.8.9.1',
      '127.1',
      '[::1]',
      '[::ffff:127.0.0.1]',
    ]) {
      expect(read(host), host).toBe(true);
    }
    for (const host of [
      'localhost.evil.example',
      'evil.localhost',
      '127.0.0.1.evil.example',
      '128.0.0.1',
      '[::2]',
      '[::ffff:128.0.0.1]',
      '0.0.0.0',
      '',
    ]) {
      expect(read(host), host).toBe(false);
    }
  });
});
