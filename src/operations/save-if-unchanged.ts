import { sqlState } from '../database/sql-state.ts';
import type { Store } from '../database/store.ts';
import type { JobDraft } from '../domain/moves/draft.ts';
import { saveUnchanged } from '../repositories/save-unchanged.ts';

// Refused for what is written, for a lock that was not had, or to end a deadlock: nothing was written.
// Not for a division by zero (22012): by that the statement tells that our own rules are broken.
const REFUSED = /^(22(?!012)...|23...|55P03|40P01)$/;

/**
 * Writes drafts of remembered jobs, each only if nobody changed its job since. Returns the ids of those that were written;
 * none when the statement was refused.
 */
export async function saveIfUnchanged(
  store: Store,
  drafts: readonly JobDraft[],
  guard: { database: string; workers: readonly string[] },
): Promise<ReadonlySet<string>> {
  const changed = drafts.filter((draft) => draft.jobChanged || draft.before.size > 0);
  if (changed.length === 0) return new Set();
  try {
    return await saveUnchanged(store.db, changed, guard);
  } catch (error) {
    if (REFUSED.test(sqlState(error) ?? '')) return new Set();
    throw error;
  }
}
