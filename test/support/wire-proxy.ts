import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import pg from 'pg';
import { addressOf } from '../../src/database/connection.ts';

/** A way to the database that can be cut, or fall silent without a word. */
export interface WireProxy {
  /** The same database, through here. */
  url: string;
  /** From now on nothing passes on the connections that are open, and they stay open: half-open ones. */
  freeze(): void;
  /** Cuts all connections and refuses new ones. */
  cut(): void;
  /** Lets new connections through again. */
  mend(): Promise<void>;
  close(): void;
}

export async function startWireProxy(url: string): Promise<WireProxy> {
  const { host, port } = new pg.Client(addressOf(url));
  const pairs = new Set<[Socket, Socket]>();
  const server = createServer((near) => {
    const far = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    for (const [one, other] of [pair, pair.toReversed() as [Socket, Socket]]) {
      one.on('data', (chunk) => other.write(chunk));
      one.on('error', () => {});
      one.on('close', () => {
        // Of a frozen pair neither side learns that the other has gone.
        if (pairs.delete(pair)) other.destroy();
      });
    }
  });
  const frozen: Socket[] = [];
  const listen = async (at: number) => {
    server.listen(at, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const own = await listen(0);
  const cut = () => {
    server.close();
    for (const socket of [...[...pairs].flat(), ...frozen]) socket.destroy();
  };
  const through = new URL('postgres://127.0.0.1');
  const { user, password, database } = new pg.Client(addressOf(url));
  return {
    url: Object.assign(through, {
      port: String(own),
      username: encodeURIComponent(user ?? ''),
      password: encodeURIComponent(password ?? ''),
      pathname: `/${database}`,
    }).href,
    freeze() {
      for (const pair of pairs) {
        for (const socket of pair) socket.removeAllListeners('data').resume();
        frozen.push(...pair);
      }
      pairs.clear();
    },
    cut,
    async mend() {
      await listen(own);
    },
    close: cut,
  };
}
