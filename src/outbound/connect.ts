import { lookup as lookUp } from 'node:dns/promises';
import type { LookupFunction, Socket } from 'node:net';
import { buildConnector } from 'undici';
import { LIMITS } from '../domain/limits.ts';
import { type Address, type AllowRule, findObjection, readAddress } from './address-filter.ts';

/** Gives every address of a name; fails as `dns.lookup` does. */
export type Lookup = (name: string) => Promise<readonly string[]>;

/** The address, or one of those that a name leads to, may not be reached; the message says what would admit it. */
export class AddressNotAllowed extends Error {
  override readonly name = 'AddressNotAllowed';
}

export interface ConnectOptions {
  allow: readonly AllowRule[];
  lookup?: Lookup;
  /** Certificate authorities to trust instead of the usual ones, in PEM. */
  ca?: string;
}

/**
 * The `connect` of an undici agent that reaches admitted addresses only. A host that is an address is judged as it is
 * meant, however it is written. A name is looked up once, and all of its addresses are judged: one that may not be
 * reached refuses them all, since whoever controls the name chooses the order. The socket is then opened to those very
 * addresses, so that a second lookup cannot give others, and its other end is judged once more. TLS still asks for the
 * name, and checks the certificate against it.
 */
export function createConnect(options: ConnectOptions): buildConnector.connector {
  return (target, callback) => {
    open(target, options).then(
      (socket) => callback(null, socket),
      (error) => callback(error, null),
    );
  };
}

async function open(target: buildConnector.Options, options: ConnectOptions): Promise<Socket> {
  const { allow, ca, lookup = lookUpAll } = options;
  const port = Number(target.port || (target.protocol === 'https:' ? 443 : 80));
  const deadline = performance.now() + LIMITS.outboundConnect;
  const literal = readAddress(target.hostname);
  if (literal === 'invalid')
    throw new AddressNotAllowed(`${target.hostname} is neither a name nor an address`);
  const addresses = literal ? [literal] : await resolve(target.hostname, lookup);
  for (const address of addresses) judge(address, port, allow, literal ? null : target.hostname);
  const connector = buildConnector({
    allowH2: false,
    // Each connection has a connector of its own, so there is nobody to share sessions with.
    maxCachedSessions: 0,
    timeout: Math.max(1, deadline - performance.now()),
    lookup: pinned(addresses),
    ...(ca === undefined ? {} : { ca }),
  });
  const hostname = literal ? literal.toString() : target.hostname;
  // A name in TLS has no dot at its end.
  const servername = literal ? '' : target.hostname.replace(/\.$/, '');
  const socket = await new Promise<Socket>((resolve, reject) => {
    const connectTo =
      target.protocol === 'https:' ? { ...target, hostname, servername } : { ...target, hostname };
    connector(connectTo, (error, socket) => (error ? reject(error) : resolve(socket)));
  });
  try {
    judgeRemote(socket, port, allow);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return socket;
}

async function resolve(name: string, lookup: Lookup): Promise<Address[]> {
  const answer = await withinPatience(lookup(name), name);
  const addresses = answer.map(readAddress).filter((address) => address !== null && address !== 'invalid');
  if (addresses.length === 0 || addresses.length < answer.length) {
    throw Object.assign(new Error(`${name} has no address`), { code: 'ENOTFOUND' });
  }
  return addresses;
}

/** A lookup cannot be called off; it can be waited for no longer. */
async function withinPatience<Value>(value: Promise<Value>, name: string): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const error = Object.assign(new Error(`looking up ${name} took too long`), { code: 'EAI_AGAIN' });
    timer = setTimeout(() => reject(error), LIMITS.outboundConnect);
  });
  return Promise.race([value, late]).finally(() => clearTimeout(timer));
}

async function lookUpAll(name: string): Promise<string[]> {
  return (await lookUp(name, { all: true })).map(({ address }) => address);
}

function judge(address: Address, port: number, allow: readonly AllowRule[], name: string | null): void {
  const objection = findObjection(address, port, allow);
  if (objection === null) return;
  const subject = name === null ? `${address}` : `${name} leads to ${address}, which`;
  const shown = address.kind() === 'ipv6' ? `[${address}]` : address.toString();
  const admitted = `${name === 'localhost' ? name : shown}:${port}`;
  throw new AddressNotAllowed(
    `${subject} is ${objection}; Holdfast does not call it unasked, ` +
      `the operator admits it by starting the server with OUTBOUND_ALLOW=${admitted}`,
  );
}

/** Where the connection really ends: 0.0.0.0, for one, is answered by this machine. */
function judgeRemote(socket: Socket, port: number, allow: readonly AllowRule[]): void {
  const remote = socket.remoteAddress === undefined ? null : readAddress(socket.remoteAddress);
  if (remote === null || remote === 'invalid') {
    throw Object.assign(new Error('the connection was closed at once'), { code: 'ECONNRESET' });
  }
  judge(remote, port, allow, null);
}

/** A lookup for sockets that gives what was judged, whatever the name leads to by now. */
function pinned(addresses: readonly Address[]): LookupFunction {
  const entries = addresses.map((address) => ({
    address: address.toString(),
    family: address.kind() === 'ipv4' ? 4 : 6,
  }));
  return (_name, options, callback) => {
    const [first] = entries;
    if (options.all) callback(null, entries);
    else callback(null, first?.address ?? '', first?.family);
  };
}
