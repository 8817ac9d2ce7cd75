import type { Store, Tx } from '../database/store.ts';
import { inTransaction } from '../database/transaction.ts';
import { claimRefusal } from '../domain/claim-end.ts';
import type { ClaimKey } from '../domain/claim-id.ts';
import { AppError } from '../domain/errors.ts';
import { LIMITS } from '../domain/limits.ts';
import { readLogEnd } from '../repositories/read-logs.ts';
import { findLogOfClaim, insertLogChunk, lockLog } from '../repositories/step-logs.ts';
import { CUT_MARK } from './append-log.ts';
import { lookUpClaims } from './look-up-claims.ts';

/**
 * Appends what a remote worker logs. `offset` is where the bytes belong, null: at the end. Of bytes that are there
 * already only what comes behind them is written. Past the limit of an attempt bytes are counted and not kept, so that
 * a worker need not mind. Taken up to 10 s after the claim ended. Returns where the next bytes belong.
 *
 * Throws `expected_offset` when bytes are missing before these; `claim_lost`, `claim_settled` and `claim_not_found`.
 */
export async function appendClaimLog(
  store: Store,
  key: ClaimKey,
  offset: number | null,
  bytes: Uint8Array,
): Promise<number> {
  const next = await inTransaction(store.db, async (tx) => {
    // Two who append at the same time would both read the same end.
    await lockLog(tx, key.claim_id);
    const log = await findLogOfClaim(tx, key);
    return log?.open ? append(tx, { ...key, attempt: log.attempt }, offset, bytes) : null;
  });
  if (next !== null) return next;
  const end = (await lookUpClaims(store, [key])).get(key.claim_id);
  throw claimRefusal(end === undefined || end.kind === 'running' ? { kind: 'unknown' } : end);
}

type LogOfClaim = ClaimKey & { attempt: number };

/** Writes what is new of the bytes; null when the log was closed in the meantime. */
async function append(
  tx: Tx,
  log: LogOfClaim,
  offset: number | null,
  bytes: Uint8Array,
): Promise<number | null> {
  const end = await readLogEnd(tx, log);
  const start = offset ?? end;
  const behind = start + bytes.length;
  // It was cut, and ends with the mark that says so.
  if (end > LIMITS.logBytesPerAttempt) return Math.max(end, behind);
  if (start > end) throw gap(end);
  const fresh = bytes.subarray(end - start);
  if (fresh.length === 0) return end;
  const room = LIMITS.logBytesPerAttempt - end;
  const data = fresh.length > room ? Buffer.concat([fresh.subarray(0, room), Buffer.from(CUT_MARK)]) : fresh;
  for (let from = 0; from < data.length; from += LIMITS.logChunkBytes) {
    const chunk = data.subarray(from, from + LIMITS.logChunkBytes);
    if (!(await insertLogChunk(tx, log, end + from, chunk))) return null;
  }
  return Math.max(behind, end + data.length);
}

function gap(end: number): AppError {
  const detail = `the log of this attempt ends at ${end}; send from there`;
  return new AppError('expected_offset', detail, [], { expected_offset: end });
}
