import type { Store } from '../database/store.ts';
import { inTransaction } from '../database/transaction.ts';
import { LIMITS } from '../domain/limits.ts';
import type { RunningStep } from '../repositories/find-due.ts';
import { readLogEnd } from '../repositories/read-logs.ts';
import { insertLogChunk } from '../repositories/step-logs.ts';

/** What ends a log that has reached its limit. */
export const CUT_MARK = `\n[holdfast: the log was cut here, at ${LIMITS.logBytesPerAttempt} bytes an attempt]\n`;

/**
 * Appends bytes to the log of a claim's attempt, `start` being where they belong; past the limit only a cut mark is
 * written. The same bytes again, after an answer that was lost, are written once. Returns where the next bytes belong, or
 * null when nothing more is taken: the claim is over, the log is full, or `start` is not where the log ends.
 */
export async function appendLog(
  store: Store,
  claim: RunningStep & { attempt: number },
  start: number,
  bytes: Uint8Array,
): Promise<number | null> {
  const room = LIMITS.logBytesPerAttempt - start;
  if (room <= 0) return null;
  const cut = bytes.length > room;
  const data = cut ? Buffer.concat([bytes.subarray(0, room), Buffer.from(CUT_MARK)]) : bytes;
  return inTransaction(store.db, async (tx) => {
    let next = start;
    for (let from = 0; from < data.length; from += LIMITS.logChunkBytes) {
      const chunk = data.subarray(from, from + LIMITS.logChunkBytes);
      if (!(await insertLogChunk(tx, claim, next, chunk))) {
        // Written together or not at all: a log that ends right behind these bytes has them.
        next = start + data.length;
        return cut || (await readLogEnd(tx, claim)) !== next ? null : next;
      }
      next += chunk.length;
    }
    return cut ? null : next;
  });
}
