import type { Store } from '../database/store.ts';
import { AppError } from '../domain/errors.ts';
import { isTerminalJob } from '../domain/job-status.ts';
import { addSteps } from '../domain/moves/draft.ts';
import { cancelJobDraft } from '../domain/moves/finish-job.ts';
import { loadOpenSteps } from '../repositories/load-steps.ts';
import { saveDrafts } from '../repositories/save-drafts.ts';
import { changeOneJob } from './change-job.ts';

/**
 * Cancels a job at once: every open step is cancelled and every claim invalid when this returns, with or without
 * workers alive. Cancelling again changes nothing. Throws `job_not_found`, and `job_terminal` for one that ended
 * otherwise.
 */
export async function cancelJob(store: Store, id: string, reason: string | null): Promise<void> {
  await changeOneJob(store, id, async (tx, draft) => {
    const { status } = draft.job;
    if (status === 'cancelled') return;
    if (isTerminalJob(status)) {
      throw new AppError('job_terminal', `the job is ${status} already, so there is nothing left to cancel`);
    }
    addSteps(draft, await loadOpenSteps(tx, [id]));
    cancelJobDraft(draft, reason);
    await saveDrafts(tx, [draft]);
  });
}
