import type { Kysely } from 'kysely';
import type { Tables } from './tables.ts';
import type { WakeUps } from './wake-ups.ts';

/** Where jobs are kept, and the hints that go with it: what every operation takes first. */
export interface Store {
  db: Kysely<Tables>;
  wakeUps: WakeUps;
}
