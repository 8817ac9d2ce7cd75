import ipaddr from 'ipaddr.js';
import type { Address, AllowRule } from './address-filter.ts';

const FORMS =
  'write addresses like 127.0.0.1, 10.0.0.0/8 or fd00::/8, or localhost, each with or without a port: [::1]:9000';

type Network = Pick<AllowRule, 'network' | 'bits'>;
type Read<Value> = { ok: true; value: Value } | { ok: false; message: string };

/**
 * Reads `OUTBOUND_ALLOW`: addresses, CIDR blocks and `localhost` with commas between them, each with or without a port
 * (IPv6 then in brackets). Names are no entries: whoever holds a name decides where it leads.
 */
export function parseAllowList(text: string): Read<AllowRule[]> {
  const rules: AllowRule[] = [];
  const entries = text.split(',').map((entry) => entry.trim());
  for (const entry of entries.filter((entry) => entry !== '')) {
    const read = parseEntry(entry);
    if (!read.ok) return read;
    rules.push(...read.value);
  }
  return { ok: true, value: rules };
}

function parseEntry(entry: string): Read<AllowRule[]> {
  const { host, port } = splitPort(entry);
  if (port !== null && !(port >= 1 && port <= 65_535)) {
    return { ok: false, message: `${entry} names no port from 1 to 65535` };
  }
  if (host === 'localhost') {
    return { ok: true, value: ['127.0.0.0/8', '::1'].map((part) => ({ ...networkOf(part), port })) };
  }
  const network = readNetwork(host);
  if (network === null) return { ok: false, message: `${entry} cannot be admitted; ${FORMS}` };
  const first = firstOf(network);
  if (network.network.toString() !== first) {
    return { ok: false, message: `${entry} starts in the middle of a block; write ${first}/${network.bits}` };
  }
  return { ok: true, value: [{ ...network, port }] };
}

function splitPort(entry: string): { host: string; port: number | null } {
  // More than one colon outside brackets: an IPv6 address, with no port.
  const [, bracketed, bare, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,9}))?$/.exec(entry) ?? [];
  const host = bracketed ?? bare ?? entry;
  // Brackets are for IPv6 alone.
  if (bracketed !== undefined && !bracketed.includes(':')) return { host: '', port: null };
  return { host, port: port === undefined ? null : Number(port) };
}

function readNetwork(text: string): Network | null {
  const plain = ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv4.isValidCIDRFourPartDecimal(text);
  const six = !text.includes('%') && (ipaddr.IPv6.isValid(text) || ipaddr.IPv6.isValidCIDR(text));
  return plain || six ? networkOf(text) : null;
}

/** A text that is known to be an address or a CIDR block; IPv4 written as IPv6 comes back as IPv4, as addresses do. */
function networkOf(text: string): Network {
  const [network, bits] = ipaddr.parseCIDR(
    text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`,
  );
  if (network.kind() === 'ipv6' && (network as ipaddr.IPv6).isIPv4MappedAddress() && bits >= 96) {
    return { network: (network as ipaddr.IPv6).toIPv4Address(), bits: bits - 96 };
  }
  return { network, bits };
}

function firstOf({ network, bits }: Network): string {
  const block = `${network}/${bits}`;
  const first: Address =
    network.kind() === 'ipv4'
      ? ipaddr.IPv4.networkAddressFromCIDR(block)
      : ipaddr.IPv6.networkAddressFromCIDR(block);
  return first.toString();
}
