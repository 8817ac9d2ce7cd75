import { type Kysely, sql } from 'kysely';
import type { Tables } from '../database/tables.ts';
import type { Offer } from '../domain/blocked-by.ts';

/** What live workers take. A server writes its row every half second; one silent for 5 s is not counted on. */
export async function readOffers(db: Kysely<Tables>): Promise<Offer[]> {
  return await db
    .selectFrom('worker')
    .select(['uses', 'queues', 'slots'])
    .where('last_seen_at', '>', sql<Date>`clock_timestamp() - interval '5 seconds'`)
    .orderBy('id')
    .execute();
}
