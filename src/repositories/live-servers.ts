import { type Kysely, sql } from 'kysely';
import type { Tables } from '../database/tables.ts';

// Twice what makes a server suspect: one that is only slow still listens.
const SILENCE_MS = 5_000;

/** Whether another server has written lately that it lives. */
export async function isAnotherServerAlive(db: Kysely<Tables>, selfId: string): Promise<boolean> {
  const { rows } = await sql<{ alive: boolean }>`
    select exists (
      select from worker
      where kind = 'server' and id <> ${selfId}
        and last_seen_at > clock_timestamp() - ${SILENCE_MS} * interval '1 millisecond') as alive`.execute(
    db,
  );
  return rows[0]?.alive ?? false;
}
