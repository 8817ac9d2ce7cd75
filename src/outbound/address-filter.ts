import ipaddr from 'ipaddr.js';

export type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** What the operator admits beyond public addresses: all that starts with `bits` bits of `network`. */
export interface AllowRule {
  network: Address;
  bits: number;
  /** Null: every port. */
  port: number | null;
}

/** In words what an address is that is not public, by the names that ipaddr.js gives to ranges. */
const WORDS: Readonly<Record<string, string>> = {
  unspecified: 'an unspecified address',
  loopback: 'loopback',
  private: 'a private address',
  uniqueLocal: 'a private address',
  deprecatedSiteLocal: 'a private address',
  carrierGradeNat: "an address of a provider's inner network",
  linkLocal: 'a link-local address, where clouds keep credentials',
  multicast: 'a multicast address',
  broadcast: 'the broadcast address',
  platform: 'an address of the cloud platform itself',
  rfc6145: 'an IPv4 address in disguise',
  rfc6052: 'an IPv4 address in disguise (NAT64)',
  '6to4': 'an IPv4 address in disguise (6to4)',
  teredo: 'an IPv4 address in disguise (Teredo)',
};

/** Public by its number, yet answered by the machine's own cloud: Azure's agent listens there. */
const PLATFORM = ipaddr.IPv4.parse('168.63.129.16');
/** Of IPv6 only this part is given out to anybody; ipaddr.js takes the rest for unicast. */
const GLOBAL_IPV6 = ipaddr.IPv6.parse('2000::');

/**
 * Reads a host that is an address, in any of the spellings that some resolver takes for one: decimal, octal, hex and
 * short forms, brackets, zone, dots at the end; IPv4 inside IPv6 comes back as IPv4. Null for a name; `invalid` for
 * what looks like an address and is none, or can be neither.
 */
export function readAddress(host: string): Address | 'invalid' | null {
  const bare = withoutDots(host).replace(/^\[(.*)\]$/, '$1');
  if (bare.includes(':')) return parse(ipaddr.process, bare.split('%', 1)[0] as string);
  // What ends in a number is an address to URLs and resolvers alike, never a name.
  if (/(^|\.)(\d+|0x[\da-f]*)$/i.test(bare)) return parse(ipaddr.IPv4.parse, bare);
  return /^[\w-]+(\.[\w-]+)*$/.test(bare) ? null : 'invalid';
}

// Not by a pattern, which would look at each run of dots once for each of them.
function withoutDots(host: string): string {
  let end = host.length;
  while (host[end - 1] === '.') end--;
  return host.slice(0, end);
}

function parse(read: (text: string) => Address, text: string): Address | 'invalid' {
  try {
    return read.call(text.includes(':') ? ipaddr : ipaddr.IPv4, text);
  } catch {
    return 'invalid';
  }
}

/** Null when this address may be reached on this port: it is public, or a rule admits it. Else what it is, in words. */
export function findObjection(address: Address, port: number, allow: readonly AllowRule[]): string | null {
  if (allow.some((rule) => admits(rule, address, port))) return null;
  const range = rangeOf(address);
  return range === 'unicast' ? null : (WORDS[range] ?? 'not a public address');
}

function admits(rule: AllowRule, address: Address, port: number): boolean {
  if (rule.port !== null && rule.port !== port) return false;
  return address.kind() === rule.network.kind() && address.match(rule.network, rule.bits);
}

function rangeOf(address: Address): string {
  if (address.kind() === 'ipv4') return address.match(PLATFORM, 32) ? 'platform' : address.range();
  const range = address.range();
  return range === 'unicast' && !address.match(GLOBAL_IPV6, 3) ? 'unassigned' : range;
}
