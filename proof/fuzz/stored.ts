import type { Kysely } from 'kysely';
import type { Tables } from '../../src/database/tables.ts';
import type { Outcome } from './lane.ts';

/** Rows that requests make and nothing else does. */
export interface Stored {
  jobs: number;
  workers: number;
}

export async function countStored(db: Kysely<Tables>): Promise<Stored> {
  const count = async (table: 'job' | 'worker') => {
    const row = await db.selectFrom(table).select(db.fn.countAll().as('rows')).executeTakeFirstOrThrow();
    return Number(row.rows);
  };
  return { jobs: await count('job'), workers: await count('worker') };
}

/** The same once nothing more comes: requests whose connection was given up may still be at work. */
export async function countSettled(db: Kysely<Tables>): Promise<Stored> {
  let [before, now] = [await countStored(db), await countStored(db)];
  do {
    await new Promise((resolve) => setTimeout(resolve, 150));
    [before, now] = [now, await countStored(db)];
  } while (before.jobs !== now.jobs || before.workers !== now.workers);
  return now;
}

/**
 * What requests say they have stored: all that was answered 201 or 202, and submits that were answered 200 because their
 * job was over by then; and how many said nothing.
 */
export function acceptedBy(outcomes: readonly Outcome[]): Stored & { silent: number } {
  const stored = { jobs: 0, workers: 0, silent: 0 };
  for (const { shot, answers } of outcomes) {
    if (answers.length === 0) stored.silent++;
    for (const [place, { status, headers, text }] of answers.entries()) {
      const operation = place === 0 ? shot.operation.id : '';
      if (status === 201) stored.workers++;
      if (status === 202) stored.jobs += operation === 'submitBatch' ? JSON.parse(text).data.length : 1;
      // A list is what the same request gets by another method.
      const isOver = status === 200 && operation === 'submitJob' && 'id' in JSON.parse(text || '{}');
      if (isOver && headers['idempotency-replayed'] === undefined) stored.jobs++;
    }
  }
  return stored;
}
