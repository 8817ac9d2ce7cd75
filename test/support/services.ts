import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { parseAllowList } from '../../src/outbound/allow-list.ts';
import type { ConnectOptions } from '../../src/outbound/connect.ts';
import {
  createOutbound,
  type Outbound,
  type OutboundEnd,
  type OutboundRequest,
} from '../../src/outbound/outbound.ts';

/** A service on loopback that counts who connects. */
export interface Service {
  port: number;
  /** Connections that were ever made. */
  connections(): number;
  /** Connections that are open now. */
  open(): number;
}

const closing: (() => unknown)[] = [];

/** Starts a service on 127.0.0.1, over TLS when there is a certificate. */
export async function startService(
  answer: RequestListener,
  tls?: { key: string; cert: string; onServerName?(name: string): void },
): Promise<Service> {
  const server: Server = tls ? createTlsServer(tls, answer) : createServer(answer);
  let connections = 0;
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    connections += 1;
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { port, connections: () => connections, open: () => open.size };
}

/** A way to the outside with this OUTBOUND_ALLOW. */
export function open(allow: string, options: Omit<ConnectOptions, 'allow'> = {}): Outbound {
  const read = parseAllowList(allow);
  if (!read.ok) throw new Error(read.message);
  const outbound = createOutbound({ allow: read.value, userAgent: 'holdfast/test', ...options });
  closing.push(() => outbound.close());
  return outbound;
}

/** Sends a GET, or what else is wanted. */
export function ask(
  outbound: Outbound,
  url: string,
  request: Partial<OutboundRequest> = {},
): Promise<OutboundEnd> {
  return outbound.send({
    method: 'GET',
    url: new URL(url),
    headers: {},
    body: null,
    redirects: 5,
    maxBytes: 10_000,
    signal: new AbortController().signal,
    ...request,
  });
}

export async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

/** Ends whatever was started here. For `afterEach`. */
export async function closeAll(): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close();
}
