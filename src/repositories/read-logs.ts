import { type Kysely, sql } from 'kysely';
import type { Tables } from '../database/tables.ts';

/** Whose log. */
export interface LogKey {
  job_id: string;
  ordinal: number;
  attempt: number;
}

const CHUNKS_A_READ = 16;

/** How many bytes the log of an attempt has by now. */
export async function readLogEnd(db: Kysely<Tables>, key: LogKey): Promise<number> {
  const row = await db
    .selectFrom('step_log')
    .select(sql<number>`coalesce(max(start + octet_length(data)), 0)`.as('end'))
    .where('job_id', '=', key.job_id)
    .where('ordinal', '=', key.ordinal)
    .where('attempt', '=', key.attempt)
    .executeTakeFirstOrThrow();
  return row.end;
}

/** The bytes of a log from `from` up to `to`, about a megabyte at a time. */
export async function* readLog(
  db: Kysely<Tables>,
  key: LogKey,
  from: number,
  to: number,
): AsyncGenerator<Buffer, void, void> {
  for (let at = from; at < to; ) {
    const chunks = await readChunks(db, key, at);
    if (chunks.length === 0) return;
    const data = Buffer.concat(chunks.map((chunk) => chunk.data));
    const start = (chunks[0] as { start: number }).start;
    yield data.subarray(at - start, to - start);
    at = start + data.length;
  }
}

// A chunk is at most 64 KB, so the one that holds a byte starts less than that before it.
async function readChunks(db: Kysely<Tables>, key: LogKey, at: number) {
  return await db
    .selectFrom('step_log')
    .select(['start', 'data'])
    .where('job_id', '=', key.job_id)
    .where('ordinal', '=', key.ordinal)
    .where('attempt', '=', key.attempt)
    .where('start', '>', at - 65_536)
    .where(sql<boolean>`start + octet_length(data) > ${at}`)
    .orderBy('start')
    .limit(CHUNKS_A_READ)
    .execute();
}
