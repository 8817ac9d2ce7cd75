import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a proxy does with a request: hand it on, cut it before or after the server did it, or answer by itself. */
export type Fault =
  | 'none'
  | 'cut-before'
  | 'cut-after'
  | 'hang'
  | { status: number; headers?: Record<string, string>; body?: string };

export interface FaultProxy {
  url: string;
  port: number;
  /** `METHOD /path` of every request that came, in order. */
  asked: string[];
  /** Decides about each request that comes from now on. */
  decide: (method: string, path: string) => Fault;
  close(): Promise<void>;
}

/** Stands before a real server and loses requests or answers on purpose. `target` is its URL. */
export async function startFaultProxy(target: () => string): Promise<FaultProxy> {
  const server = createServer((incoming, outgoing) => {
    const { method = '', url = '' } = incoming;
    proxy.asked.push(`${method} ${url}`);
    const fault = proxy.decide(method, url);
    if (fault === 'hang') return;
    if (fault === 'cut-before') incoming.socket.destroy();
    else if (typeof fault === 'object')
      outgoing.writeHead(fault.status, fault.headers ?? {}).end(fault.body ?? '');
    else handOn(target(), incoming, outgoing, fault === 'cut-after');
  });
  const proxy: FaultProxy = {
    url: '',
    port: 0,
    asked: [],
    decide: () => 'none',
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy.port = (server.address() as AddressInfo).port;
  proxy.url = `http://127.0.0.1:${proxy.port}`;
  return proxy;
}

function handOn(target: string, incoming: IncomingMessage, outgoing: ServerResponse, cut: boolean): void {
  const { hostname, port } = new URL(target);
  const { method, url: path, headers } = incoming;
  const onward = request({ host: hostname, port, method, path, headers, agent: false }, (answer) => {
    if (cut) {
      answer.resume().once('end', () => incoming.socket.destroy());
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  onward.once('error', () => incoming.socket.destroy());
  // A client that has gone takes its request back, as if it had asked the server itself.
  outgoing.once('close', () => onward.destroy());
  incoming.pipe(onward);
}
