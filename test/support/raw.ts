import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** What came back over one connection. */
export interface RawAnswer {
  /** 0 when nothing that is HTTP came back. */
  status: number;
  /** In lower case, as one text. */
  head: string;
  /** The last body, read as JSON when it is a problem document. */
  // biome-ignore lint/suspicious/noExplicitAny: tests reach into answers whose shape they then assert
  problem: any;
  /** Everything, as it came. */
  text: string;
}

/** Sends bytes as they are and reads until the server closes the connection. */
export async function sendRaw(port: number, text: string): Promise<RawAnswer> {
  const socket = await open(port);
  socket.write(text);
  return await answerOf(socket);
}

/** A connection on which nothing has been sent; it fails in silence. */
export async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Everything that arrives on a connection until it is closed. */
export async function answerOf(socket: Socket): Promise<RawAnswer> {
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  // A connection may also end by an error, after all that matters has arrived.
  await new Promise<void>((resolve) => (socket.closed ? resolve() : socket.on('close', () => resolve())));
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const isProblem = /content-type: application\/problem\+json/i.test(text);
  return {
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0),
    head: head.toLowerCase(),
    problem: isProblem ? JSON.parse(rest.at(-1) ?? '') : undefined,
    text,
  };
}
