/** One answer as it came over a connection. */
export interface Answer {
  status: number;
  headers: Record<string, string | undefined>;
  text: string;
}

/** Reads answers out of the bytes of one connection. */
export interface AnswerReader {
  /** Takes bytes; gives the answers that are whole now. `methods` says what the next answers are to. */
  take(bytes: Buffer): Answer[];
  /** The connection has ended: gives an answer that lasts until then. */
  end(): Answer[];
  /** Bytes that belong to no whole answer yet. */
  left(): number;
}

/** `nextMethod` is asked once an answer begins: one to HEAD has no body, whatever its head says. */
export function createAnswerReader(nextMethod: () => string): AnswerReader {
  let buffer: Buffer = Buffer.alloc(0);
  let head: (Omit<Answer, 'text'> & { method: string }) | null = null;

  function next(atEnd: boolean): Answer | null {
    if (head === null) {
      const end = buffer.indexOf('\r\n\r\n');
      if (end === -1) return null;
      const read = readHead(buffer.subarray(0, end).toString('latin1'));
      buffer = buffer.subarray(end + 4);
      // Go on: the answer itself is still to come.
      if (read.status < 200) return next(atEnd);
      head = { ...read, method: nextMethod() };
    }
    const body = bodyOf(head, buffer, atEnd);
    if (body === null) return null;
    const { status, headers } = head;
    buffer = buffer.subarray(body.used);
    head = null;
    return { status, headers, text: body.text };
  }

  const all = (atEnd: boolean) => {
    const answers: Answer[] = [];
    for (let one = next(atEnd); one !== null; one = next(false)) answers.push(one);
    return answers;
  };
  return {
    take: (bytes) => {
      buffer = buffer.length === 0 ? bytes : Buffer.concat([buffer, bytes]);
      return all(false);
    },
    end: () => all(true),
    left: () => buffer.length + (head === null ? 0 : 1),
  };
}

function readHead(text: string): Omit<Answer, 'text'> {
  const [first = '', ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.1 (\d{3})( |$)/.exec(first)?.[1];
  if (status === undefined) throw new Error(`this is no answer: ${JSON.stringify(first.slice(0, 200))}`);
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon < 1) throw new Error(`this is no header: ${JSON.stringify(line.slice(0, 200))}`);
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return { status: Number(status), headers };
}

type Head = Omit<Answer, 'text'> & { method: string };

function bodyOf({ method, status, headers }: Head, buffer: Buffer, atEnd: boolean) {
  if (method === 'HEAD' || status === 204 || status === 304) return { text: '', used: 0 };
  if (/chunked/i.test(headers['transfer-encoding'] ?? '')) return readChunks(buffer);
  const length = headers['content-length'];
  if (length === undefined) return atEnd ? { text: buffer.toString(), used: buffer.length } : null;
  if (buffer.length < Number(length)) return null;
  return { text: buffer.subarray(0, Number(length)).toString(), used: Number(length) };
}

function readChunks(buffer: Buffer): { text: string; used: number } | null {
  const chunks: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = buffer.indexOf('\r\n', at);
    if (end === -1) return null;
    const size = Number.parseInt(buffer.subarray(at, end).toString('latin1'), 16);
    if (Number.isNaN(size)) throw new Error('this is no chunk');
    if (buffer.length < end + 2 + size + 2) return null;
    chunks.push(buffer.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
    if (size === 0) return { text: Buffer.concat(chunks).toString(), used: at };
  }
}
