import type { Store } from '../database/store.ts';
import { findNextDue } from '../repositories/find-due.ts';

/** Milliseconds until the next waiting step or scheduled job is due, negative when overdue; null when none waits. */
export function nextDue(store: Store): Promise<number | null> {
  return findNextDue(store.db);
}
