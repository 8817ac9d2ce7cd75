import { describe, expect, it } from 'vitest';
import { type AllowRule, findObjection, readAddress } from '../../src/outbound/address-filter.ts';
import { parseAllowList } from '../../src/outbound/allow-list.ts';

function rules(text: string): AllowRule[] {
  const read = parseAllowList(text);
  if (!read.ok) throw new Error(read.message);
  return read.value;
}

function objection(host: string, allow = '', port = 80): string | null {
  const address = readAddress(host);
  if (address === null || address === 'invalid') throw new Error(`${host} was read as ${address}`);
  return findObjection(address, port, rules(allow));
}

describe('a host that is an address', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['127.0.0.1.', '127.0.0.1'],
    ['127.0.0.1..', '127.0.0.1'],
    ['2130706433', '127.0.0.1'],
    ['0x7f000001', '127.0.0.1'],
    ['0X7F000001', '127.0.0.1'],
    ['017700000001', '127.0.0.1'],
    ['127.1', '127.0.0.1'],
    ['127.0.1', '127.0.0.1'],
    ['0177.0.0.1', '127.0.0.1'],
    ['0x7f.0.0.1', '127.0.0.1'],
    ['0x7f.1', '127.0.0.1'],
    ['0177.0x0.1', '127.0.0.1'],
    ['010.0.0.1', '8.0.0.1'],
    ['0', '0.0.0.0'],
    ['0.0', '0.0.0.0'],
    ['4294967295', '255.255.255.255'],
    ['10.257', '10.0.1.1'],
    ['::1', '::1'],
    ['[::1]', '::1'],
    ['[::1].', '::1'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['0000:0000:0000:0000:0000:0000:0000:0001', '::1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['[::FFFF:7F00:1]', '127.0.0.1'],
    ['0:0:0:0:0:ffff:7f00:0001', '127.0.0.1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%25eth0]', 'fe80::1'],
    ['fe80::1%', 'fe80::1'],
  ])('is read as it is meant: %s', (host, meant) => {
    expect(String(readAddress(host))).toBe(meant);
  });

  it.each([
    '256.0.0.1',
    '1.2.3.4.5',
    '127.0.0.0x',
    '0x',
    '08.0.0.1',
    '4294967296',
    'example.1',
    'example.0x7f',
    '::1::',
    ':::1',
    '1:2:3:4:5:6:7:8:9',
    '[127.0.0.1',
    '127.0.0.1%lo',
    '127。0。0。1',
    '１２７.0.0.1',
    'ex ample',
    'a..b',
    '',
    '.',
    'localhost:80',
    'user@localhost',
  ])('is refused when it is neither that nor a name: "%s"', (host) => {
    expect(readAddress(host)).toBe('invalid');
  });

  it('is read in time that grows with its length, though it be all dots', () => {
    const time = (host: string) => {
      const before = performance.now();
      readAddress(host);
      return performance.now() - before;
    };
    const dots = (tail: string) => Math.min(...[0, 1, 2].map(() => time('.'.repeat(40_000) + tail)));
    // Where no dot is at the end there is nothing to take off; to try at each of them would be a thousand times as much.
    expect(dots('x')).toBeLessThan(100 * dots('') + 20);
  });

  it.each([
    'localhost',
    'localhost.',
    'example.com',
    'a_b.example',
    'x1.example',
    '1x',
    '127.0.0.1e',
    'xn--bcher-kva.example',
  ])('is a name where no address is meant: %s', (host) => expect(readAddress(host)).toBeNull());
});

describe('an address', () => {
  it.each([
    ['0.0.0.0', 'an unspecified address'],
    ['0.1.2.3', 'an unspecified address'],
    ['10.0.0.0', 'a private address'],
    ['10.255.255.255', 'a private address'],
    ['100.64.0.1', "an address of a provider's inner network"],
    ['100.100.100.200', "an address of a provider's inner network"],
    ['100.127.255.255', "an address of a provider's inner network"],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['168.63.129.16', 'an address of the cloud platform itself'],
    ['169.254.169.254', 'a link-local address, where clouds keep credentials'],
    ['172.16.0.1', 'a private address'],
    ['172.31.255.255', 'a private address'],
    ['192.0.0.1', 'not a public address'],
    ['192.0.2.1', 'not a public address'],
    ['192.88.99.1', 'not a public address'],
    ['192.168.1.1', 'a private address'],
    ['198.18.0.1', 'not a public address'],
    ['198.19.255.255', 'not a public address'],
    ['198.51.100.1', 'not a public address'],
    ['203.0.113.1', 'not a public address'],
    ['224.0.0.1', 'a multicast address'],
    ['239.255.255.255', 'a multicast address'],
    ['240.0.0.1', 'not a public address'],
    ['255.255.255.255', 'the broadcast address'],
    ['::', 'an unspecified address'],
    ['::1', 'loopback'],
    ['::7f00:1', 'not a public address'],
    ['::ffff:10.0.0.1', 'a private address'],
    ['::ffff:169.254.169.254', 'a link-local address, where clouds keep credentials'],
    ['::ffff:0:7f00:1', 'an IPv4 address in disguise'],
    ['64:ff9b::7f00:1', 'an IPv4 address in disguise (NAT64)'],
    ['64:ff9b::8.8.8.8', 'an IPv4 address in disguise (NAT64)'],
    ['64:ff9b:1::a00:1', 'an IPv4 address in disguise (NAT64)'],
    ['100::1', 'not a public address'],
    ['2001::1', 'an IPv4 address in disguise (Teredo)'],
    ['2001:2::1', 'not a public address'],
    ['2001:10::1', 'not a public address'],
    ['2001:20::1', 'not a public address'],
    ['2001:db8::1', 'not a public address'],
    ['2002:7f00:1::', 'an IPv4 address in disguise (6to4)'],
    ['2002:808:808::', 'an IPv4 address in disguise (6to4)'],
    ['3fff::1', 'not a public address'],
    ['4000::1', 'not a public address'],
    ['5f00::1', 'not a public address'],
    ['fc00::1', 'a private address'],
    ['fd00:ec2::254', 'a private address'],
    ['fe80::1', 'a link-local address, where clouds keep credentials'],
    ['febf::1', 'a link-local address, where clouds keep credentials'],
    ['fec0::1', 'a private address'],
    ['ff02::1', 'a multicast address'],
  ])('that is not public is refused in words: %s is %s', (host, words) => {
    expect(objection(host)).toBe(words);
  });

  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.0',
    '169.253.255.255',
    '169.255.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '192.167.255.255',
    '192.169.0.0',
    '223.255.255.255',
    '2606:4700:4700::1111',
    '2a00:1450:4001:80b::200e',
    '::ffff:8.8.8.8',
  ])('that is public may be reached: %s', (host) => expect(objection(host)).toBeNull());
});

describe('OUTBOUND_ALLOW', () => {
  it.each([
    ['127.0.0.1', '127.0.0.1', 80],
    ['127.0.0.1:9000', '127.0.0.1', 9000],
    ['127.0.0.1', '2130706433', 80],
    ['127.0.0.1', '::ffff:127.0.0.1', 80],
    ['::ffff:127.0.0.1', '127.0.0.1', 80],
    ['::ffff:10.0.0.0/104', '10.9.8.7', 80],
    ['::1', '::1', 80],
    ['[::1]', '::1', 80],
    ['[::1]:9000', '::1', 9000],
    ['10.0.0.0/8', '10.200.3.4', 80],
    ['10.0.0.0/8:8080', '10.200.3.4', 8080],
    ['fd00::/8', 'fd12::1', 80],
    ['[fd00::/8]:8080', 'fd12::1', 8080],
    ['localhost', '127.8.9.10', 80],
    ['localhost', '::1', 80],
    ['localhost:8080', '::1', 8080],
    [' 10.0.0.1 , ,192.168.0.0/16 ', '192.168.7.7', 80],
    ['0.0.0.0/0,::/0', '169.254.169.254', 80],
    ['0.0.0.0/0,::/0', 'fe80::1', 80],
  ])('with %s admits %s on port %i', (allow, host, port) => expect(objection(host, allow, port)).toBeNull());

  it.each([
    ['', '127.0.0.1', 80],
    ['127.0.0.1', '127.0.0.2', 80],
    ['127.0.0.1:9000', '127.0.0.1', 9001],
    ['127.0.0.1', '::1', 80],
    ['::1', '127.0.0.1', 80],
    ['10.0.0.0/8:8080', '10.0.0.1', 80],
    ['10.0.0.0/8', '192.168.0.1', 80],
    ['localhost:8080', '::1', 80],
    ['::/0', '127.0.0.1', 80],
    ['0.0.0.0/0', '::1', 80],
    ['127.0.0.0/8', '64:ff9b::7f00:1', 80],
  ])('with "%s" does not admit %s on port %i', (allow, host, port) => {
    expect(objection(host, allow, port)).toEqual(expect.any(String));
  });

  it.each([
    ['api.example', 'cannot be admitted'],
    ['*', 'cannot be admitted'],
    ['http://127.0.0.1', 'cannot be admitted'],
    ['127.1', 'cannot be admitted'],
    ['0x7f.0.0.1', 'cannot be admitted'],
    ['127.0.0.1/33', 'cannot be admitted'],
    ['::1/129', 'cannot be admitted'],
    ['fe80::1%eth0', 'cannot be admitted'],
    ['[127.0.0.1]:80', 'cannot be admitted'],
    ['localhost.', 'cannot be admitted'],
    ['127.0.0.1:', 'cannot be admitted'],
    ['127.0.0.1:http', 'cannot be admitted'],
    ['127.0.0.1:0', 'no port from 1 to 65535'],
    ['localhost:65536', 'no port from 1 to 65535'],
    ['10.1.2.3/8', 'write 10.0.0.0/8'],
    ['fd12::1/8', 'write fd00::/8'],
  ])('refuses %s: %s', (entry, words) => {
    const read = parseAllowList(`127.0.0.1,${entry}`);
    expect(read).toEqual({ ok: false, message: expect.stringContaining(words) });
    if (!read.ok) expect(read.message.startsWith(entry)).toBe(true);
  });
});
