import { type Kysely, sql } from 'kysely';
import type { Tables } from '../database/tables.ts';
import type { Offer } from '../domain/blocked-by.ts';
import { isGone } from './read-workers.ts';

/**
 * What live workers take: servers and remote workers of which something was heard lately, but for those that take no
 * more steps. A thousand workers of one program are one offer with all their slots.
 */
export async function readOffers(db: Kysely<Tables>): Promise<Offer[]> {
  const { rows } = await sql<Offer>`
    select uses, queues, sum(slots)::int8 as slots from worker
    where command = 'run' and not ${isGone('worker')}
    group by uses, queues order by uses, queues nulls first`.execute(db);
  return rows;
}
