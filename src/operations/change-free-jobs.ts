import { passesByItself, sqlState } from '../database/sql-state.ts';
import type { Store, Tx } from '../database/store.ts';
import { inTransaction, setLockTimeout } from '../database/transaction.ts';
import { type JobDraft, openDraft } from '../domain/moves/draft.ts';
import { loadStepsAndDependents, type StepKey } from '../repositories/load-steps.ts';
import { type LockedJob, lockJobs } from '../repositories/lock-jobs.ts';
import { addLoaded, announce } from './advance-jobs.ts';

const QUERY_CANCELED = '57014';

/**
 * What everything shares that happens by itself, to many jobs at once: lock those that nobody holds, let `change` work
 * on them and write, send the hints after the commit. Returns the drafts that `change` returned.
 *
 * One job that cannot be written, or too much of it for one statement, must not keep the others from being written:
 * then each half is tried alone, and the error is thrown when all that could be written is.
 *
 * With `waitMs` those that somebody holds are waited for, so long for each; then the error says that a lock was not had.
 */
export async function changeFreeJobs(
  store: Store,
  ids: readonly string[],
  change: (tx: Tx, locked: LockedJob[]) => Promise<JobDraft[]>,
  waitMs?: number,
): Promise<JobDraft[]> {
  const distinct = [...new Set(ids)];
  if (distinct.length === 0) return [];
  try {
    const drafts = await inTransaction(store.db, async (tx) => {
      if (waitMs !== undefined) await setLockTimeout(tx, waitMs);
      const locked = await lockJobs(tx, distinct, waitMs === undefined ? 'skip' : 'wait');
      return locked.length === 0 ? [] : change(tx, locked);
    });
    announce(store, drafts);
    return drafts;
  } catch (error) {
    const mayBeOneOfThem = !passesByItself(error) || sqlState(error) === QUERY_CANCELED;
    if (distinct.length < 2 || !mayBeOneOfThem) throw error;
    const middle = distinct.length >> 1;
    const halves = await Promise.allSettled([
      changeFreeJobs(store, distinct.slice(0, middle), change, waitMs),
      changeFreeJobs(store, distinct.slice(middle), change, waitMs),
    ]);
    return halves.flatMap((half) => {
      if (half.status === 'rejected') throw half.reason;
      return half.value;
    });
  }
}

// How often a look is taken past jobs that somebody holds.
const ROUNDS = 5;

/**
 * Finds what is due, as much as is done at once, and changes it as `changeFreeJobs` does. Should a whole batch belong to jobs that
 * somebody holds, it looks past them: one stuck job with much that is due must not hide everything behind it.
 * Returns all that was found, and the drafts of what could be changed.
 */
export async function changeDue<Due>(
  store: Store,
  work: {
    find: (except: readonly string[]) => Promise<Due[]>;
    jobOf: (due: Due) => string;
    change: (tx: Tx, locked: LockedJob[], due: readonly Due[]) => Promise<JobDraft[]>;
    waitMs?: number | undefined;
  },
): Promise<{ found: Due[]; drafts: JobDraft[] }> {
  const found: Due[] = [];
  const busy: string[] = [];
  for (let round = 1; ; round += 1) {
    const due = await work.find(busy);
    found.push(...due);
    const change = (tx: Tx, locked: LockedJob[]) => work.change(tx, locked, due);
    const drafts = await changeFreeJobs(store, due.map(work.jobOf), change, work.waitMs);
    if (drafts.length > 0 || due.length === 0 || round === ROUNDS) return { found, drafts };
    busy.push(...new Set(due.map(work.jobOf)));
  }
}

/** Drafts of locked jobs by their ids, and what of `due` is theirs, its steps loaded with their dependents. */
export async function draftsOfSteps<Due extends StepKey>(
  tx: Tx,
  locked: readonly LockedJob[],
  due: readonly Due[],
): Promise<{ drafts: Map<string, JobDraft>; mine: Due[] }> {
  const drafts = new Map(locked.map(({ job, now, database }) => [job.id, openDraft(job, [], now, database)]));
  const mine = due.filter(({ job_id }) => drafts.has(job_id));
  if (mine.length > 0) addLoaded([...drafts.values()], await loadStepsAndDependents(tx, mine));
  return { drafts, mine };
}
