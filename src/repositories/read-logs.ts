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

/** A chunk of a job's logs: of which step and attempt, where in that log it starts, and its bytes. */
export interface JobLogChunk {
  ordinal: number;
  attempt: number;
  start: number;
  data: Buffer;
}

const JOB_CHUNKS_A_READ = 500;
const JOB_BYTES_A_READ = 1024 * 1024;

/**
 * All logs of a job, in the order of its steps and of their attempts, about a megabyte at a time. Nothing is held
 * between two reads, however long the reader takes.
 */
export async function* readJobLog(
  db: Kysely<Tables>,
  jobId: string,
): AsyncGenerator<JobLogChunk, void, void> {
  let after = { ordinal: -1, attempt: 0, start: 0 };
  for (;;) {
    const chunks = await readJobChunks(db, jobId, after);
    yield* chunks;
    const last = chunks.at(-1);
    if (last === undefined) return;
    after = last;
  }
}

// The sum needs only sizes, which stand beside the bytes; those are fetched for the chunks that are sent.
async function readJobChunks(
  db: Kysely<Tables>,
  jobId: string,
  after: Omit<JobLogChunk, 'data'>,
): Promise<JobLogChunk[]> {
  const { rows } = await sql<JobLogChunk>`
    with chosen as materialized (
      select ordinal, attempt, start, data from step_log
      where job_id = ${jobId}::uuid
        and (ordinal, attempt, start) > (${after.ordinal}::int4, ${after.attempt}::int4, ${after.start}::int4)
      order by ordinal, attempt, start limit ${JOB_CHUNKS_A_READ}),
    sized as (
      select *, coalesce(sum(octet_length(data)) over (order by ordinal, attempt, start
        rows between unbounded preceding and 1 preceding), 0) as earlier_bytes
      from chosen)
    select ordinal, attempt, start, data from sized
    where earlier_bytes < ${JOB_BYTES_A_READ} order by ordinal, attempt, start`.execute(db);
  return rows;
}
