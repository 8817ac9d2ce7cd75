import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import pg from 'pg';

type Backend = { client: pg.Client; stream: Socket };

/**
 * A connection pooler in transaction mode, as far as a client can tell: each transaction gets whatever server
 * session is free. Speaks PostgreSQL's wire protocol on loopback and lets everybody in.
 */
export async function startTransactionPooler(url: string): Promise<{ url: string; close(): Promise<void> }> {
  const backends: Backend[] = [];
  const idle: Backend[] = [];
  const sockets = new Set<Socket>();
  const acquire = async () => {
    const free = idle.pop();
    if (free !== undefined) return free;
    const backend = await openBackend(url);
    backends.push(backend);
    return backend;
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    serveClient(socket, acquire, (backend) => idle.push(backend));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `postgres://anyone@127.0.0.1:${port}/any`, close: () => close(server, sockets, backends) };
}

async function close(server: Server, sockets: Set<Socket>, backends: Backend[]): Promise<void> {
  for (const socket of sockets) socket.destroy();
  for (const { stream } of backends) stream.destroy();
  await new Promise((resolve) => server.close(resolve));
}

/** A session whose login the driver has done and whose socket is then ours. */
async function openBackend(url: string): Promise<Backend> {
  const client = new pg.Client(url);
  client.on('error', () => {});
  await client.connect();
  const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
  stream.removeAllListeners('data');
  return { client, stream };
}

function serveClient(
  socket: Socket,
  acquire: () => Promise<Backend>,
  release: (backend: Backend) => void,
): void {
  let backend: Promise<Backend> | undefined;
  let welcomed = false;
  const attach = async () => {
    const own = await acquire();
    const split = messageSplitter(1, (message) => {
      socket.write(message);
      const READY = 'Z';
      const OUTSIDE_TRANSACTION = 'I';
      if (String.fromCharCode(message[0] ?? 0) !== READY) return;
      if (String.fromCharCode(message[5] ?? 0) !== OUTSIDE_TRANSACTION) return;
      own.stream.removeListener('data', split);
      backend = undefined;
      release(own);
    });
    own.stream.on('data', split);
    return own;
  };
  const requests = messageSplitter(1, (message) => {
    if (String.fromCharCode(message[0] ?? 0) === 'X') return void socket.end();
    backend ??= attach();
    void backend.then((own) => own.stream.write(message));
  });
  const startup = messageSplitter(0, () => {
    welcomed = true;
    const authenticationOk = [0x52, 0, 0, 0, 8, 0, 0, 0, 0];
    const readyForQuery = [0x5a, 0, 0, 0, 5, 0x49];
    socket.write(Buffer.from([...authenticationOk, ...readyForQuery]));
  });
  socket.on('data', (chunk: Buffer) => (welcomed ? requests(chunk) : startup(chunk)));
}

/** Calls back with each whole message: a length of four bytes, after `lead` bytes that it does not count. */
function messageSplitter(lead: number, onMessage: (message: Buffer) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= lead + 4 && rest.length >= lead + rest.readUInt32BE(lead)) {
      const end = lead + rest.readUInt32BE(lead);
      const message = Buffer.from(rest.subarray(0, end));
      rest = rest.subarray(end);
      onMessage(message);
    }
  };
}
