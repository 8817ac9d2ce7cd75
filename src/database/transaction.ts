import { type Kysely, sql } from 'kysely';
import { sqlState } from './sql-state.ts';
import type { Tx } from './store.ts';
import type { Tables } from './tables.ts';

// lock_not_available, deadlock_detected, serialization_failure, idle_in_transaction_session_timeout
const RETRIED = new Set(['55P03', '40P01', '40001', '25P03']);
const MAX_TRIES = 5;

/**
 * Runs `body` in a transaction, and again (up to five times) when the database ended it for a reason that passes by
 * itself. Only operations open transactions; one operation, one transaction.
 */
export async function inTransaction<Result>(
  db: Kysely<Tables>,
  body: (tx: Tx) => Promise<Result>,
): Promise<Result> {
  let committing = false;
  const run = () => {
    committing = false;
    return db.transaction().execute(async (tx) => {
      const result = await body(tx);
      committing = true;
      return result;
    });
  };
  return retried(run, () => committing);
}

/**
 * The same for a body that is a single statement: a transaction by itself, at a third of the round trips. Whatever the
 * body does besides it does outside.
 */
export async function inOneStatement<Result>(
  db: Kysely<Tables>,
  body: (tx: Tx) => Promise<Result>,
): Promise<Result> {
  return retried(() => body(db as Tx));
}

async function retried<Result>(run: () => Promise<Result>, isCommitting = () => false): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await run();
    } catch (error) {
      const passes = RETRIED.has(sqlState(error) ?? '') || (isUnsent(error) && !isCommitting());
      if (tries >= MAX_TRIES || !passes) throw error;
    }
  }
}

/**
 * The connection had been cut before, most often because the transaction idled too long while this process had no turn:
 * the driver then sends nothing. After a COMMIT that was lost on its way the same words come from the rollback, and
 * nobody knows what became of it.
 */
function isUnsent(error: unknown): boolean {
  return error instanceof Error && error.message.endsWith('is not queryable');
}

/** Sets how long statements of this transaction wait for a lock. */
export async function setLockTimeout(tx: Tx, ms: number): Promise<void> {
  await sql`select set_config('lock_timeout', ${`${ms}ms`}, true)`.execute(tx);
}
