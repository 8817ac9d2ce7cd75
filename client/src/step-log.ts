import { HoldfastError } from './errors.ts';
import type { Transport } from './transport.ts';

/** How long lines wait for others to go with. */
const GATHER_MS = 200;
/** What one request carries, and what may be kept while no server takes it. */
const REQUEST_BYTES = 256 * 1024;
const KEPT_BYTES = 1024 * 1024;

export interface StepLog {
  append(text: string | Uint8Array): void;
  /** Sends what is there; resolves when that is done, or in vain after `patienceMs`. Never rejects. */
  flush(patienceMs: number): Promise<void>;
  /** What is not sent yet never will be. */
  drop(): void;
}

/**
 * The log of one attempt. Each request says where its bytes belong, so one that is sent again writes nothing twice, and
 * one request is in flight at a time, so nothing is left out. What does not fit in memory while no server is there is
 * dropped, and the log says so.
 */
export function createStepLog(
  transport: Transport,
  claimId: string,
  onTrouble: (error: unknown) => void,
): StepLog {
  let pending: Uint8Array[] = [];
  let bytes = 0;
  let dropped = 0;
  let offset = 0;
  const ended = new AbortController();
  let sending: Promise<void> | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function append(text: string | Uint8Array): void {
    if (ended.signal.aborted) return;
    const chunk = typeof text === 'string' ? encode(text.endsWith('\n') ? text : `${text}\n`) : text.slice();
    if (chunk.length === 0) return;
    if (bytes + chunk.length > KEPT_BYTES) dropped += chunk.length;
    else keep(chunk);
    if (bytes >= REQUEST_BYTES) start();
    else timer ??= setTimeout(start, GATHER_MS);
  }

  function keep(chunk: Uint8Array): void {
    if (dropped > 0) {
      const mark = encode(`[${dropped} bytes of the log were dropped: no server took them in time]\n`);
      dropped = 0;
      keep(mark);
    }
    pending.push(chunk);
    bytes += chunk.length;
  }

  function start(): void {
    clearTimeout(timer);
    timer = undefined;
    sending ??= send().finally(() => {
      sending = undefined;
    });
  }

  async function send(): Promise<void> {
    while (pending.length > 0 || dropped > 0) {
      if (pending.length === 0) keep(new Uint8Array());
      try {
        await sendPart(take());
      } catch (error) {
        if (ended.signal.aborted) return;
        if (!goOnFrom(error)) drop();
        onTrouble(error);
      }
    }
  }

  async function sendPart(body: Uint8Array): Promise<void> {
    const path = `/v1/claims/${encodeURIComponent(claimId)}/log`;
    const headers = { 'content-type': 'application/octet-stream' };
    const call = { method: 'POST', path, query: { offset }, headers, body, repeatable: true } as const;
    const answer = await transport.send({ ...call, patienceMs: Infinity, signal: ended.signal });
    const { next_offset } = answer.json<{ next_offset: number }>();
    // An attempt's log has an end: what lies behind it is not kept.
    if (next_offset < offset + body.length) drop();
    offset = next_offset;
  }

  /** Where the server says that the log ends is where it goes on. */
  function goOnFrom(error: unknown): boolean {
    const expected = error instanceof HoldfastError ? error.problem.expected_offset : undefined;
    if (expected === undefined) return false;
    offset = expected;
    return true;
  }

  function take(): Uint8Array {
    const parts: Uint8Array[] = [];
    let size = 0;
    for (let next = pending[0]; next && size < REQUEST_BYTES; next = pending[0]) {
      const part = next.subarray(0, REQUEST_BYTES - size);
      if (part.length < next.length) pending[0] = next.subarray(part.length);
      else pending.shift();
      parts.push(part);
      size += part.length;
    }
    bytes -= size;
    return concat(parts, size);
  }

  function drop(): void {
    clearTimeout(timer);
    ended.abort();
    pending = [];
    bytes = 0;
    dropped = 0;
  }

  async function flush(patienceMs: number): Promise<void> {
    if (pending.length > 0) start();
    if (sending === undefined) return;
    let late: ReturnType<typeof setTimeout> | undefined;
    const patience = new Promise<void>((resolve) => {
      late = setTimeout(resolve, patienceMs);
    });
    await Promise.race([sending, patience]);
    clearTimeout(late);
  }

  return { append, flush, drop };
}

/** Whether the server will take no line of this log any more, which is nothing to worry about. */
export function isOver(error: unknown): boolean {
  return (
    error instanceof HoldfastError && ['claim_lost', 'claim_settled', 'claim_not_found'].includes(error.code)
  );
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function concat(parts: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
