import type { Kysely, Transaction } from 'kysely';
import type { JobDraft } from '../domain/moves/draft.ts';
import type { RememberedJobs } from './remembered-jobs.ts';
import type { Tables } from './tables.ts';
import type { WakeUps } from './wake-ups.ts';

/** Where jobs are kept, and the hints that go with it: what every operation takes first. */
export interface Store {
  db: Kysely<Tables>;
  wakeUps: WakeUps;
  /** Sees every committed change of this server: for its log. */
  observe?: (drafts: readonly JobDraft[]) => void;
  /** Of one server, whichever of its connections are used; without it everything is read before it is changed. */
  remembered?: RememberedJobs;
}

/** A transaction: what a function that writes takes, so that nothing is written outside one. Only operations open them. */
export type Tx = Transaction<Tables>;
