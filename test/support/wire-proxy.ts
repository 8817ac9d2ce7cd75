import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { addressOf } from '../../src/database/connection.ts';

/** A way to the database that can be cut, slowed down, or fall silent without a word. */
export interface WireProxy {
  /** The same database, through here. */
  url: string;
  /** From now on nothing passes on the connections that are open, and they stay open: half-open ones. */
  freeze(): void;
  /** The same, and new connections are taken and never answered either, until `speak`. */
  hush(): void;
  speak(): void;
  /** From now on each answer of the database comes so much later; 0: at once. */
  delay(ms: number): void;
  /** Cuts all connections and refuses new ones. */
  cut(): void;
  /** Lets new connections through again. */
  mend(): Promise<void>;
  /** From now on new connections lead to another database, of the same user and name: a failover. */
  turnTo(url: string): void;
  close(): void;
}

export async function startWireProxy(url: string): Promise<WireProxy> {
  let { host, port } = new pg.Client(addressOf(url));
  const pairs = new Set<[Socket, Socket]>();
  const frozen: Socket[] = [];
  let silent = false;
  let delayMs = 0;
  const server = createServer((near) => {
    if (silent) {
      frozen.push(near.on('error', () => {}).resume());
      return;
    }
    const far = host.startsWith('/') ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    // What was kept back before comes first, also when the delay has become shorter meanwhile.
    let late = 0;
    let last: Promise<unknown> = Promise.resolve();
    const later = (chunk: Buffer, to: Socket) => {
      late += 1;
      last = Promise.all([last, setTimeout(delayMs)]).then(() => {
        late -= 1;
        to.write(chunk);
      });
    };
    for (const [one, other] of [pair, pair.toReversed() as [Socket, Socket]]) {
      one.on('data', (chunk) => {
        if (one === near || delayMs + late === 0) other.write(chunk);
        else later(chunk, other);
      });
      one.on('error', () => {});
      one.on('close', () => {
        // Of a frozen pair neither side learns that the other has gone.
        if (pairs.delete(pair)) other.destroy();
      });
    }
  });
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
  const freeze = () => {
    for (const pair of pairs) {
      for (const socket of pair) socket.removeAllListeners('data').resume();
      frozen.push(...pair);
    }
    pairs.clear();
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
    freeze,
    hush() {
      silent = true;
      freeze();
    },
    speak() {
      silent = false;
    },
    delay(ms) {
      delayMs = ms;
    },
    cut,
    async mend() {
      await listen(own);
    },
    turnTo(other) {
      ({ host, port } = new pg.Client(addressOf(other)));
    },
    close: cut,
  };
}
