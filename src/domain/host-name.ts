/** A host in the one spelling by which it can be compared: lower case, no dot at the end, addresses in short form. */
export interface HostName {
  name: string;
  /** Empty when none is given, and for 80 and 443, which clients leave out. */
  port: string;
}

/** Reads a host as the header `Host` and URLs write it: a name or an address, with or without a port; null for others. */
export function readHostName(text: string): HostName | null {
  const [, name, port = ''] = /^(\[[\da-f:.]+\]|[\w.-]+)(?::(\d*))?$/i.exec(text) ?? [];
  if (name === undefined || !URL.canParse(`http://${name}`)) return null;
  // The URL parser knows all the ways to write an address.
  const { hostname } = new URL(`http://${name}`);
  return { name: hostname.replace(/\.$/, ''), port: port === '80' || port === '443' ? '' : port };
}

/** Whether a name read by `readHostName` can only mean the machine that its user sits at. */
export function isLoopback(name: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\]|\[::ffff:7f[\da-f]{2}:[\da-f]+\])$/.test(name);
}
