import type { Logger } from 'pino';
import type { Store } from '../database/store.ts';
import { LIMITS } from '../domain/limits.ts';
import type { ClaimedStep } from '../operations/advance-jobs.ts';
import { appendLog } from '../operations/append-log.ts';

const FLUSH_MS = 100;
const RETRY_MS = 250;
const GIVE_UP_MS = 5_000;

/** The log of one attempt on its way to the database. */
export interface AttemptLog {
  write(chunk: string | Uint8Array): void;
  /** Writes what is left; resolves also when it had to give up. */
  close(): Promise<void>;
}

/** Collects what an attempt logs and appends it in chunks; never keeps more than an attempt may log. */
export function openAttemptLog(store: Store, log: Logger, claim: ClaimedStep): AttemptLog {
  let chunks: Uint8Array[] = [];
  let taken = 0;
  let start = 0;
  let over = false;
  let flushing: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;

  const flush = async () => {
    while (chunks.length > 0 && !over) {
      const bytes = Buffer.concat(chunks);
      chunks = [];
      const next = await appendPatiently(bytes);
      if (next === null) over = true;
      else start = next;
    }
  };
  const appendPatiently = async (bytes: Uint8Array): Promise<number | null> => {
    const giveUpAt = performance.now() + GIVE_UP_MS;
    for (;;) {
      try {
        return await appendLog(store, claim, start, bytes);
      } catch (error) {
        if (performance.now() > giveUpAt) {
          log.warn({ err: error, job_id: claim.job_id }, 'gave up writing the log of an attempt');
          return null;
        }
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  };
  const startFlush = () => {
    timer = null;
    flushing ??= flush().finally(() => {
      flushing = null;
    });
    return flushing;
  };

  return {
    write(chunk) {
      // One byte more than the limit is enough for the cut mark to be written.
      const room = LIMITS.logBytesPerAttempt + 1 - taken;
      if (over || room <= 0) return;
      const bytes = (typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk)).subarray(0, room);
      taken += bytes.length;
      chunks.push(bytes);
      timer ??= setTimeout(() => void startFlush(), FLUSH_MS);
    },
    async close() {
      if (timer) clearTimeout(timer);
      while (flushing || (chunks.length > 0 && !over)) await startFlush();
    },
  };
}
