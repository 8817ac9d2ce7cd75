import type { Operation } from './document.ts';

/** How far a request is from what the document asks for. */
export type Level = 'valid' | 'nearly' | 'wire';

/** The parts of a request, before it is bytes. */
export interface Parts {
  operation: Operation;
  method: string;
  target: string;
  headers: [string, string][];
  body: Buffer | null;
}

/** One request, ready to be sent. */
export interface Shot extends Parts {
  number: number;
  level: Level;
  /** What is odd about it, in a few words. */
  what: string;
  bytes: Buffer;
  /**
   * `kept`: one answer is to come, and the connection goes on. `alone`: a connection of its own, because nobody can say
   * where the next request would begin.
   */
  way: 'kept' | 'alone';
  /** Pieces that it is sent in, with a pause after each. */
  pieces: number;
  /** After it nothing more is sent, and the server is told so. */
  halfClose: boolean;
  /** No answer is fine too: what was sent is no whole request. */
  maySilence: boolean;
  /** By the document it must be refused; null when the document does not decide it. */
  refused: true | null;
  /** It may wait in the server for something to happen. */
  waits: boolean;
  key?: string;
  text?: string;
}

export function asBytes({ method, target, headers, body }: Parts): Buffer {
  const length: [string, string][] = body === null ? [] : [['Content-Length', String(body.length)]];
  const lines = [...headers, ...length].map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const head = Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines}\r\n`, 'latin1');
  return body === null ? head : Buffer.concat([head, body]);
}

/** A request as one line that can be sent again: `printf '…' | nc host port`. At most so many characters. */
export function printShot(shot: Shot, most = 3_000): string {
  const text = [...shot.bytes.subarray(0, most)]
    .map((byte) => {
      if (byte === 0x0d) return '\\r';
      if (byte === 0x0a) return '\\n';
      if (byte === 0x5c) return '\\\\';
      if (byte === 0x27) return '\\047';
      if (byte === 0x25) return '%%';
      return byte >= 0x20 && byte < 0x7f
        ? String.fromCharCode(byte)
        : `\\${byte.toString(8).padStart(3, '0')}`;
    })
    .join('');
  const cut = shot.bytes.length > most ? `… (${shot.bytes.length} bytes in all)` : '';
  return `printf '${text}'${cut}`;
}
