import { once } from 'node:events';
import { connect } from 'node:net';

const BEGINNINGS = [
  '',
  'POST',
  'POST /v1/jobs HTTP/1.1\r\n',
  'POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"name":',
  'POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"na',
];
const PATIENCE_MS = 120_000;

/** Opens connections that begin to say something and stop. Gives those that the server did not end in its own words. */
export async function stall(port: number, signal: AbortSignal): Promise<string[]> {
  const wrong: string[] = [];
  const one = async (beginning: string) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let text = '';
    let late = false;
    socket.on('data', (bytes: Buffer) => {
      text += bytes;
    });
    const timer = setTimeout(() => socket.destroy(new Error('too late')), PATIENCE_MS);
    const abort = () => socket.destroy();
    signal.addEventListener('abort', abort);
    socket.on('error', ({ message }) => {
      late = message === 'too late';
    });
    socket.write(beginning);
    await once(socket, 'close').catch(() => {});
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    // On which nothing was said at all there is nothing to answer.
    const answered = /^HTTP\/1\.1 408 [\s\S]*"code":"request_timeout"/.test(text) || beginning === '';
    if (!signal.aborted && (late || !answered))
      wrong.push(
        `a sender that stops after ${JSON.stringify(beginning)} gets ${late ? 'nothing' : JSON.stringify(text.slice(0, 200))}`,
      );
  };
  await Promise.all(BEGINNINGS.map(one));
  return wrong;
}
